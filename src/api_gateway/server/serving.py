"""Serving: one gateway in one process, from its first connection to its last.

    start admin -> start gateway -> ready -> (asked to stop) -> drain gateway -> close it -> stop admin

Rule: the admin pages open first and close last, so that `/ready` can say "starting" and
"draining". The runner serves like this in the main process, each worker in its own.

What it does not do: open sockets or catch signals; it is given both.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from api_gateway.config.schema import GatewayConfig
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.asgi import AsgiApplication
from api_gateway.core.clock import SystemClock
from api_gateway.core.security_events import SecurityEvents
from api_gateway.middleware.security_events import security_events_of
from api_gateway.server.admin import admin_app
from api_gateway.server.cache_admin import LocalPurger
from api_gateway.server.connection_metrics import ConnectionMetrics
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.http_server import HttpServer
from api_gateway.server.sockets import base_url
from api_gateway.server.status import LocalStatus, registry_of
from api_gateway.server.stop import Stop
from api_gateway.server.tls.expiry import TlsMetrics
from api_gateway.server.tls.handshake import log_unreadable_names
from api_gateway.server.tls.redirect import Redirect

if TYPE_CHECKING:
    from api_gateway.server.tls.listener_certificates import ListenerCertificates

ADMIN_DRAIN = 1.0
"""Seconds for admin pages that are being read when the process ends."""

_log = logging.getLogger("api_gateway.server")


async def serve_gateway(
    gateway: ApiGateway,
    config: GatewayConfig,
    listener: socket.socket,
    admin_listener: socket.socket,
    stop: Stop,
    on_ready: Callable[[], None],
    *,
    certificates: ListenerCertificates | None = None,
    redirect_listener: socket.socket | None = None,
) -> None:
    """Serve until `stop` is asked for, then drain for at most `config.drain_timeout` seconds.

    `on_ready` is called when all servers accept connections. With `certificates` the gateway speaks TLS, and
    `redirect_listener` sends there whoever comes in plain HTTP.
    """
    status = LocalStatus(gateway)
    admin = HttpServer(admin_app(status, LocalPurger(gateway)))
    events = security_events_of(gateway.middleware)
    front = HttpServer(gateway.asgi, edge_limits(config), events, certificates=certificates)
    registry_of(gateway).register(ConnectionMetrics(front.connections))
    servers = [(front, listener)]
    if certificates is not None:
        registry_of(gateway).register(TlsMetrics(certificates, lambda: front.handshake_failures))
        if redirect_listener is not None:
            port = certificates.config.public_port or listener.getsockname()[1]
            servers.append((_redirecting(certificates, port, edge_limits(config), events), redirect_listener))
            _log.info("plain HTTP on %s is redirected to HTTPS", base_url(redirect_listener))
    async with gateway, certificates or nullcontext():
        await admin.start(admin_listener)
        for server, its_listener in servers:
            await server.start(its_listener)
        status.current_phase = "ready"
        on_ready()
        await stop.draining.wait()
        status.current_phase = "draining"
        await asyncio.gather(*(server.drain(config.drain_timeout, stop.at_once) for server, _ in servers))
    await admin.drain(ADMIN_DRAIN, stop.at_once)


def listener_certificates(config: GatewayConfig) -> ListenerCertificates | None:
    """What the gateway's listener shows; None without TLS.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    if config.listen.tls is None:
        return None
    # Here, because cryptography takes its time to load, and most gateways stand behind something with TLS.
    from api_gateway.server.tls.listener_certificates import ListenerCertificates

    log_unreadable_names()
    return ListenerCertificates(config.listen.tls)


def _redirecting(
    certificates: ListenerCertificates, port: int, limits: EdgeLimits, events: SecurityEvents | None
) -> HttpServer:
    redirect = Redirect(lambda host: certificates.store.covers(host), port)
    return HttpServer(AsgiApplication(redirect, SystemClock(), nullcontext()), limits, events)


def edge_limits(config: GatewayConfig) -> EdgeLimits:
    """The part of the configured limits that holds before there is a request."""
    limits = config.limits
    return EdgeLimits(
        max_target=limits.max_target,
        max_header_bytes=limits.max_header_bytes,
        max_header_fields=limits.max_header_fields,
        head_timeout=limits.head_timeout,
        min_body_rate=limits.min_body_rate,
        body_grace=limits.body_grace,
        max_connections=limits.max_connections,
        max_connections_per_address=limits.max_connections_per_address,
        trusted_proxies=config.trusted_proxies,
    )


def event_loop_runner() -> asyncio.Runner:
    """A runner on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
