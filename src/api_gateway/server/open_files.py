"""Open files: as many as the connections that are allowed will need.

Every connection is a file descriptor, and a request that is being proxied has two. Many systems give a process 1,024
unless it asks for more; then a limit of 10,000 connections is a promise that breaks at 500: the system refuses to
accept, for everybody, and services cannot be reached.

Rule: ask once, at the start, for what is needed; say so where the system grants less than somebody has asked for. A
default was nobody's wish. Workers inherit what the process that starts them has.

What it does not do: raise the hard limit, which is the administrator's (`LimitNOFILE=` of systemd, `ulimit -Hn`).
"""

from __future__ import annotations

import logging
import resource

SPARE = 256
"""Descriptors for everything that is not a connection of a client or to a service."""

_log = logging.getLogger("api_gateway.server")


def allow_open_files(max_connections: int, *, warn: bool = True) -> None:
    """Let this process, and those it starts, open enough files for so many clients; `warn` where that cannot be."""
    wanted = 2 * max_connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    except (ValueError, OSError):  # macOS has a further limit, which it does not tell
        granted = soft
    if warn and granted < wanted:
        _log.warning(
            "max_connections is %d, which may need %d open files, but the system allows %d: raise the limit of open"
            " files, or lower max_connections to %d",
            *(max_connections, wanted, granted, max(1, (granted - SPARE) // 2)),
        )
