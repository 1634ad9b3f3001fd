"""Runner: the gateway as a process, from configuration to exit code.

Rule: what can go wrong goes wrong before anything is started: addresses first, then the gateway
itself, each with one line on standard error and exit code 1. From the ready line on, the only way
out is SIGTERM or SIGINT: drain, exit code 0. A second signal cuts what still runs.

What it does not do: read the configuration file or the command line (`cli.py`).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from api_gateway.build import build_gateway
from api_gateway.config.schema import GatewayConfig
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.errors import ConfigurationError
from api_gateway.server.garbage import set_apart
from api_gateway.server.open_files import allow_open_files
from api_gateway.server.process_logs import log_to_standard_streams
from api_gateway.server.serving import event_loop_runner, listener_certificates, serve_gateway
from api_gateway.server.sockets import CannotListen, base_url, listen
from api_gateway.server.stop import Stop
from api_gateway.server.workers import supervise

if TYPE_CHECKING:
    from api_gateway.server.tls.listener_certificates import ListenerCertificates

BeforeReady: TypeAlias = Callable[[str, str], None]
"""Told the base URLs of gateway and admin, when both accept, before the ready line is printed."""


def run(config: GatewayConfig, *, workers: int = 1, before_ready: BeforeReady | None = None) -> int:
    """Serve until a signal asks to stop; the process's exit code.

    With `workers` over 1, that many processes share the gateway's socket (`workers.py`).

    Raises:
        ValueError: `workers` is less than 1.
    """
    if workers < 1:
        raise ValueError(f"there must be at least 1 worker, not {workers}")
    log_to_standard_streams()
    limits = config.limits
    allow_open_files(limits.max_connections, warn="max_connections" in limits.model_fields_set)
    with ExitStack() as open_sockets:
        try:
            listener = open_sockets.enter_context(listen(config.listen.host, config.listen.port))
            admin = open_sockets.enter_context(listen(config.admin.host, config.admin.port, options="--admin-"))
            redirect = _redirect_listener(config, open_sockets)
            certificates = listener_certificates(config)
            gateway = build_gateway(config)
        except (CannotListen, ConfigurationError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        urls = base_url(listener, "http" if certificates is None else "https"), base_url(admin)

        def on_ready() -> None:
            set_apart()
            if before_ready is not None:
                before_ready(*urls)
            print("ready: gateway {} admin {}".format(*urls), flush=True)

        if workers > 1:
            return supervise(gateway, config, workers, listener, admin, on_ready, redirect)
        with event_loop_runner() as runner:
            runner.run(_serve(gateway, config, listener, admin, on_ready, certificates, redirect))
    return 0


def _redirect_listener(config: GatewayConfig, open_sockets: ExitStack) -> socket.socket | None:
    tls = config.listen.tls
    if tls is None or tls.redirect_port is None:
        return None
    return open_sockets.enter_context(listen(config.listen.host, tls.redirect_port, options="listen.tls.redirect_"))


async def _serve(
    gateway: ApiGateway,
    config: GatewayConfig,
    listener: socket.socket,
    admin: socket.socket,
    on_ready: Callable[[], None],
    certificates: ListenerCertificates | None,
    redirect: socket.socket | None,
) -> None:
    stop = Stop()
    stop.on_signals()
    await serve_gateway(
        gateway, config, listener, admin, stop, on_ready, certificates=certificates, redirect_listener=redirect
    )
