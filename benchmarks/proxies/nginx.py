"""nginx as the proxy, and as a cache: one worker, keep-alive on both sides, no log."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

_CONFIGURATION = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
{temporary}
{store}
  upstream origin {{
    server {upstream};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {caching}
    }}
  }}
}}
"""


def command(program: str, folder: Path, port: int, upstream: str, *, caches: bool = False) -> list[str]:
    """Write a configuration into `folder`; the command that runs nginx with it in the foreground.

    With `caches` it keeps what the origin allows, in files: its `proxy_cache` knows no other place.
    """
    place = folder / "nginx"
    place.mkdir()
    configuration = place / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            user=_user(),
            folder=place,
            temporary="\n".join(f"  {name}_temp_path {place}/{name};" for name in _TEMPORARY),
            port=port,
            upstream=upstream.removeprefix("http://"),
            store=f"  proxy_cache_path {place}/cache keys_zone=answers:10m;" if caches else "",
            caching="proxy_cache answers;" if caches else "",
        )
    )
    return [program, "-e", "stderr", "-p", str(place), "-c", str(configuration)]


def _user() -> str:
    """As root, nginx would change to a user who may not enter the folder; as anyone else it must not try."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"
