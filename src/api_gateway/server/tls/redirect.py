"""Redirect: plain HTTP is answered with where the same thing is on HTTPS, and with nothing else.

Rule: 308 for every method, because 301 lets clients turn a POST into a GET (RFC 9110 sections 15.4.2 and 15.4.9).
Only to hosts that a certificate of the listener is for: the `Host` header is whatever a client, or a page that
made it send this, likes, and an answer that sends people anywhere would be an open redirect. Other hosts get a 400.

What it does not do: forward. Whoever sent a password in plain HTTP has shown it to everybody on the way already;
`Strict-Transport-Security` keeps browsers from trying again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from api_gateway.core.error_boundary import render
from api_gateway.core.errors import BadRequest
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9\-_.]{1,253}))(?::[0-9]{1,5})?")
_HTTPS = 443


class Redirect:
    """A Handler that sends everybody to HTTPS."""

    __slots__ = ("_covers", "_port")

    def __init__(self, covers: Callable[[str], bool], port: int) -> None:
        """`covers` says whether a host is ours; `port` is where HTTPS is, as clients reach it."""
        self._covers = covers
        self._port = port

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """The redirect, or 400."""
        hosts = [value for name, value in request.headers.pairs if name == b"host"]
        found = _HOST.fullmatch(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
        host = (found["name"] or found["address"]).lower() if found else ""
        if not host or not self._covers(host):
            return render(BadRequest("This host is not served here."), context)
        authority = f"[{host}]" if ":" in host else host
        port = "" if self._port == _HTTPS else f":{self._port}"
        location = f"https://{authority}{port}{request.target}"
        return Response(308, {"location": location, "cache-control": "no-store"}, b"")
