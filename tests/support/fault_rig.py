"""A gateway before a service that works, with a fault proxy between them: all on real sockets.

    async with fault_rig() as rig:
        await rig.proxy.switch(Hang())
        response, seconds = await rig.ask("GET")

Rule: every exchange is made on a connection of its own, so that a client which was cut says nothing
about the next. `EXCHANGES` names them: a counted answer, a streamed one, a small upload, a large one.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api_gateway import ApiGateway, BackendService, Endpoint, Middleware, Observer, Request, RequestContext, Response
from api_gateway.core.middleware import Handler
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.http1.pool import ConnectionPool
from api_gateway.transport.transport import Timeouts
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.gateway_server import GatewayServer, answering, proxying, serve, until
from tests.support.leaks import Holdings, settled
from tests.support.raw_client import RawResponse, connect

SHORT = Timeouts(connect=1.0, request=0.1, idle=0.14)
"""For what must time out. Two that differ, so that the time it took tells which one it was."""

PATIENT = Timeouts(connect=10.0, request=10.0, idle=10.0)
"""For what must not, however busy the machine is."""

LARGE = 12 * 1024 * 1024
"""Bytes of an upload that no kernel buffers on the way."""

_PIECES = [bytes([65 + number]) * 500 for number in range(8)]


@dataclass(frozen=True)
class Exchange:
    """One request and the whole answer that the service gives to it."""

    request: bytes
    answer: bytes
    method: str = "GET"


def _post(path: bytes, body: bytes) -> Exchange:
    head = b"POST %b HTTP/1.1\r\nHost: client.example\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
    return Exchange(head + body, _receipt(body), "POST")


def _receipt(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() * 20


EXCHANGES = {
    "GET": Exchange(b"GET /counted HTTP/1.1\r\nHost: client.example\r\n\r\n", b"".join(_PIECES)),
    "GET streamed": Exchange(b"GET /streamed HTTP/1.1\r\nHost: client.example\r\n\r\n", b"".join(_PIECES)),
    "POST": _post(b"/receipt", b"small" * 100),
    "POST large": _post(b"/receipt", bytes(LARGE)),
}


async def _service(request: Request, context: RequestContext) -> Response:
    if request.path == "/streamed":
        return Response(200, [], _pieces())
    if request.path == "/receipt":
        return Response.text(_receipt(await request.read()).decode())
    return Response.text(b"".join(_PIECES).decode())


async def _pieces() -> AsyncIterator[bytes]:
    for piece in _PIECES:
        yield piece
        await asyncio.sleep(0)


class Witness(Observer):
    """Keeps what the access log would see."""

    def __init__(self) -> None:
        self.flags: list[str] = []

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        response = await call_next(request, context)
        self.flags.append(context.flag)
        return response


@dataclass(frozen=True)
class FaultRig:
    """Client, gateway, proxy, service."""

    proxy: FaultProxy
    gateway: ApiGateway
    server: GatewayServer
    witness: Witness

    @property
    def endpoint(self) -> Endpoint:
        return self._backend.endpoints[0]

    @property
    def pool(self) -> ConnectionPool:
        transport = self._backend._transport
        assert isinstance(transport, Http1Transport)
        return transport.pool(self.endpoint.url)

    @property
    def _backend(self) -> BackendService:
        service = self.gateway.services["service"]
        assert isinstance(service, BackendService)
        return service

    async def ask(self, name: str) -> tuple[RawResponse, float]:
        """Make an exchange on a new connection: what came, and how many seconds from its beginning to its end."""
        exchange = EXCHANGES[name]
        async with connect(self.server.port) as client:
            started = time.perf_counter()
            client.send(exchange.request)
            response = await client.response(exchange.method)
            return response, time.perf_counter() - started

    async def works(self, name: str) -> None:
        """Make an exchange that must go well; again, where a busy machine was too slow for `SHORT`."""
        for _ in range(5):
            response, _ = await self.ask(name)
            if response.status != 504:
                break
        assert (response.status, response.cut, response.body) == (200, False, EXCHANGES[name].answer)

    async def holdings(self) -> Holdings:
        """What is held when no client is there."""
        await self._until_clients_are_gone()
        return Holdings.now()

    async def nothing_left_since(self, before: Holdings, kept: int) -> None:
        """Wait until nothing more is held than `before` and for the pool's connections, which were `kept`."""
        await self._until_clients_are_gone()
        await settled(self.gateway)
        more = self.pool.idle - kept
        # Each has two ends on either side of the proxy, and in the proxy a task for it and one for each way.
        await before.again(more_sockets=4 * more, more_tasks=3 * more)

    async def _until_clients_are_gone(self) -> None:
        await until(lambda: not self.server.connections)
        await self.server.until_idle()


class PromptHttp(HttpToolsProtocol):
    """uvicorn's own HTTP: what a service runs on here. Its answers do not wait for acknowledgements."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


@asynccontextmanager
async def fault_rig(*middleware: Middleware, timeouts: Timeouts = PATIENT) -> AsyncIterator[FaultRig]:
    """Everything in this event loop; the service runs on uvicorn's own HTTP, not on the gateway's."""
    witness = Witness()
    async with (
        serve(answering(_service), http=PromptHttp) as service,
        fault_proxy(service.port) as proxy,
    ):
        gateway = proxying(proxy.url, witness, *middleware, timeouts=timeouts)
        async with serve(gateway) as server:
            yield FaultRig(proxy, gateway, server, witness)
