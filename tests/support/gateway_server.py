"""A gateway on a real socket, in the test's own loop: uvicorn with the edge protocol, as in production.

    async with serve(gateway) as server:
        async with connect(server.port) as client: ...

`answering(handler)` makes a gateway whose every path leads to one handler, `proxying(url)` one whose
every path leads to an origin. `on_both_loops` runs an asynchronous test under asyncio and uvloop.

Rule: leaving the context cuts what is still connected and fails if a request goes on running.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from api_gateway import ApiGateway, BackendService, Endpoint, Handler, Middleware, Route, Router
from api_gateway.core.asgi import AsgiApplication
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.edge_protocol import EdgeProtocol
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.transport import Timeouts

LEFT_BEHIND = "a request goes on running after its client has gone"


async def until(condition: Callable[[], object], seconds: float = 2.0) -> None:
    """Wait for something that no event tells of.

    Raises:
        TimeoutError: it did not happen.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # the last resort
            await asyncio.sleep(0.001)


@dataclass(frozen=True)
class GatewayServer:
    """A running server."""

    port: int
    uvicorn: uvicorn.Server
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self.uvicorn.server_state.connections)

    async def connection(self) -> EdgeProtocol:
        """The one connection there is."""
        await until(lambda: self.connections == 1)
        (connection,) = self.uvicorn.server_state.connections
        assert isinstance(connection, EdgeProtocol)
        return connection

    @property
    def running(self) -> int:
        """Requests running now."""
        return len(self.uvicorn.server_state.tasks)

    async def until_idle(self, seconds: float = 2.0) -> None:
        """Wait until no request runs.

        Raises:
            TimeoutError: one goes on.
        """
        async with asyncio.timeout(seconds):
            while self.running:
                await asyncio.wait(list(self.uvicorn.server_state.tasks))
                await asyncio.sleep(0)

    async def shut_down(self) -> None:
        """What uvicorn does on SIGTERM: no new connections, finish what runs."""
        await self.uvicorn.shutdown()


@asynccontextmanager
async def serve(
    application: ApiGateway | AsgiApplication, limits: EdgeLimits | None = None, **options: Any
) -> AsyncIterator[GatewayServer]:
    """Serve on a free port of 127.0.0.1; `options` are uvicorn's."""
    settings: dict[str, Any] = {
        "http": EdgeProtocol.with_limits(limits) if limits else EdgeProtocol,
        "interface": "asgi3",
        "lifespan": "on",
        "ws": "none",
        "server_header": False,
        "date_header": False,
        "access_log": False,
        "log_config": None,
    }
    config = uvicorn.Config(application, **settings | options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        await server.startup(sockets=[listener])
        running = GatewayServer(listener.getsockname()[1], server)
        try:
            yield running
        finally:
            await _stop(running)


async def _stop(running: GatewayServer) -> None:
    """End at once; uvicorn's own shutdown polls, which a hundred tests would wait for."""
    server = running.uvicorn
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        if connection.transport is not None:
            connection.transport.abort()
    try:
        await running.until_idle()
    except TimeoutError:
        pytest.fail(LEFT_BEHIND)
    for listening in server.servers:
        await listening.wait_closed()
    if not server.lifespan.shutdown_event.is_set():
        await server.lifespan.shutdown()


def answering(handler: Handler, *middleware: Middleware) -> ApiGateway:
    """A gateway that hands every request to `handler`."""
    return ApiGateway(Router([Route("/*", "service")]), {"service": handler}, middleware)


def proxying(url: str, *middleware: Middleware, timeouts: Timeouts | None = None) -> ApiGateway:
    """A gateway that sends every request to the origin at `url`, over its own connections."""
    service = BackendService("service", [Endpoint(url)], Http1Transport(timeouts))
    return ApiGateway(Router([Route("/*", "service")]), {"service": service}, middleware)


def loop_factories() -> Sequence[Any]:
    """The event loops the gateway runs on; uvloop is an extra that not every platform has."""
    try:
        import uvloop
    except ImportError:
        return [pytest.param(asyncio.SelectorEventLoop, id="asyncio")]
    return [
        pytest.param(asyncio.SelectorEventLoop, id="asyncio"),
        pytest.param(uvloop.new_event_loop, id="uvloop"),
    ]


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorate an asynchronous test so that it runs on each event loop."""

    @functools.wraps(test)
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(test(**arguments))

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop_factory", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), loop])  # type: ignore[attr-defined]
    on_each: Callable[..., None] = pytest.mark.parametrize("loop_factory", loop_factories())(run)
    return on_each
