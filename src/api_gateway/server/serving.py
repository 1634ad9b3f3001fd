"""Serving: one gateway in one process, from its first connection to its last.

    start admin -> start gateway -> ready -> (asked to stop) -> drain gateway -> close it -> stop admin

Rule: the admin pages open first and close last, so that `/ready` can say "starting" and
"draining". The runner serves like this in the main process, each worker in its own.

What it does not do: open sockets or catch signals; it is given both.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from api_gateway.config.schema import GatewayConfig
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.server.admin import admin_app
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.http_server import HttpServer
from api_gateway.server.status import LocalStatus
from api_gateway.server.stop import Stop

ADMIN_DRAIN = 1.0
"""Seconds for admin pages that are being read when the process ends."""


async def serve_gateway(
    gateway: ApiGateway,
    config: GatewayConfig,
    listener: socket.socket,
    admin_listener: socket.socket,
    stop: Stop,
    on_ready: Callable[[], None],
) -> None:
    """Serve until `stop` is asked for, then drain for at most `config.drain_timeout` seconds.

    `on_ready` is called when both servers accept connections.
    """
    status = LocalStatus(gateway)
    admin = HttpServer(admin_app(status))
    front = HttpServer(gateway.asgi, edge_limits(config))
    async with gateway:
        await admin.start(admin_listener)
        await front.start(listener)
        status.current_phase = "ready"
        on_ready()
        await stop.draining.wait()
        status.current_phase = "draining"
        await front.drain(config.drain_timeout, stop.at_once)
    await admin.drain(ADMIN_DRAIN, stop.at_once)


def edge_limits(config: GatewayConfig) -> EdgeLimits:
    """The part of the configured limits that holds before there is a request."""
    limits = config.limits
    return EdgeLimits(limits.max_target, limits.max_header_bytes, limits.max_header_fields, limits.head_timeout)


def event_loop_runner() -> asyncio.Runner:
    """A runner on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
