"""Run one of the Python contenders: `python -m benchmarks.proxies NAME PORT UPSTREAM`.

Rule: all run under the same server with the same settings, which are also the gateway's, so that
a difference between two figures is a difference between two applications.
"""

from __future__ import annotations

import sys
from importlib import import_module

import uvicorn

from benchmarks import event_loop


def main(name: str, port: int, upstream: str) -> None:
    """Serve until told to stop."""
    application = import_module(f"benchmarks.proxies.{name}").application(upstream)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        http="httptools",
        loop="uvloop" if event_loop.NAME == "uvloop" else "asyncio",
        interface="asgi3",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
