"""HTTP server: uvicorn for one application on one listening socket, with an end that has a bound.

Rule: `start` returns when connections are accepted. `drain` closes the listener, tells every
connection to end after its current response, and waits; when time is up, it cancels what still
runs and drops what is still connected. An endless event stream therefore costs the drain time,
never more.

uvicorn's own `serve` is not used, because it takes over the signals and raises them again at the
end, which gives an exit status other than 0, and because it does not wait for the tasks it cancels.

With certificates it speaks TLS (`tls/acceptor.py`), else plain HTTP.

What it does not do: WebSocket, or catching signals.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from api_gateway.core.security_events import SecurityEvents
from api_gateway.server.connection_limits import ConnectionLimits
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.edge_protocol import EdgeProtocol
from api_gateway.server.sockets import BACKLOG
from api_gateway.server.tls.acceptor import TlsAcceptor
from api_gateway.server.tls.tls_edge_protocol import TlsEdgeProtocol
from api_gateway.transport.in_process import AsgiApp

if TYPE_CHECKING:
    from api_gateway.server.tls.listener_certificates import ListenerCertificates

CUT = 1.0
"""Seconds that cancelled requests may take to clean up."""

_POLL = 0.02

_log = logging.getLogger("api_gateway.server")


class HttpServer:
    """One ASGI application on one socket."""

    __slots__ = ("_listener", "_server", "_tls", "connections")

    connections: ConnectionLimits
    """Who is connected."""

    def __init__(
        self,
        application: AsgiApp,
        limits: EdgeLimits | None = None,
        events: SecurityEvents | None = None,
        *,
        certificates: ListenerCertificates | None = None,
    ) -> None:
        """`limits` bound what a client may take of the edge; `events` hears what that refuses.

        `certificates`, kept open by the caller, are for TLS; None for plain HTTP.
        """
        kind = EdgeProtocol if certificates is None else TlsEdgeProtocol
        protocol = kind.with_limits(limits or EdgeLimits(), events)
        assert protocol.connections is not None, "with limits"
        self.connections = protocol.connections
        self._listener: socket.socket | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=protocol,
                interface="asgi3",
                lifespan="off",
                ws="none",
                backlog=BACKLOG,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
            )
        )
        self._tls: TlsAcceptor | None = None
        if certificates is not None:
            timeout = certificates.config.handshake_timeout
            self._tls = TlsAcceptor(certificates.context, partial(_connection, protocol, self._server), timeout)

    @property
    def handshake_failures(self) -> int:
        """Connections that got no TLS; 0 without TLS."""
        return self._tls.failures if self._tls is not None else 0

    async def start(self, listener: socket.socket) -> None:
        """Accept connections from `listener`, which `drain` will close."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        if self._tls is None:
            await self._server.startup(sockets=[listener])
        else:
            self._server.servers = []
            self._tls.start(listener)
        self._listener = listener

    async def drain(self, seconds: float, hurry: asyncio.Event | None = None) -> None:
        """Refuse what is new, finish what runs, for at most `seconds` or until `hurry` is set."""
        if self._listener is None:
            return
        for server in self._server.servers:
            server.close()
        if self._tls is not None:
            await self._tls.close()
        self._listener.close()
        try:
            async with asyncio.timeout(seconds):
                await self._finish(hurry)
        except TimeoutError:
            await self._cut()

    async def _finish(self, hurry: asyncio.Event | None) -> None:
        state = self._server.server_state
        told: set[object] = set()
        busy = True
        while busy:
            # Each once: a connection told twice would not get the time to linger that a refusal needs.
            # Again and again: one that was accepted at the last moment shows up after the first look.
            for connection in state.connections - told:
                connection.shutdown()
                told.add(connection)
            await asyncio.sleep(_POLL)
            busy = bool(state.connections or state.tasks)
            if busy and hurry is not None and hurry.is_set():
                raise TimeoutError

    async def _cut(self) -> None:
        state = self._server.server_state
        tasks = list(state.tasks)
        if tasks:
            _log.warning("the time to drain is over: %d running requests are cut", len(tasks))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CUT)
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # one turn of the loop, in which the connections learn of it


def _connection(protocol: type[EdgeProtocol], server: uvicorn.Server) -> EdgeProtocol:
    """What uvicorn makes for each connection that it accepts itself."""
    return protocol(server.config, server.server_state, {})
