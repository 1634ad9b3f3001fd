"""An http1 transport and an origin that misbehaves, together, with short timeouts."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api_gateway.core.headers import HeadersLike
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.http1.pool import ConnectionPool
from api_gateway.transport.transport import Timeouts
from tests.support.misbehaving_origin import Origin, misbehaving_origin

SHORT = Timeouts(connect=2.0, request=0.25, idle=0.25)


class Http1Client:
    """Sends requests to one origin."""

    def __init__(self, origin: Origin, transport: Http1Transport) -> None:
        self.origin = origin
        self.transport = transport
        self.context = RequestContext()

    async def send(self, method: str, target: str, headers: HeadersLike = (), body: Body = b"") -> Response:
        return await self.transport.send(self.origin.url, Request(method, target, headers, body), self.context)

    async def read(self, method: str, target: str, headers: HeadersLike = (), body: Body = b"") -> bytes:
        return await (await self.send(method, target, headers, body)).read()

    async def get(self, target: str) -> bytes:
        return await self.read("GET", target)

    @property
    def pool(self) -> ConnectionPool:
        return self.transport.pool(self.origin.url)

    async def next_answer_is_its_own(self) -> None:
        """The next request gets the answer meant for it."""
        number = len(self.origin.requests)
        assert await self.get(f"/mine/{number}") == f"GET /mine/{number}".encode()


@asynccontextmanager
async def http1_client(
    timeouts: Timeouts = SHORT, *, server_tls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Http1Client]:
    """A client and its origin.

    Afterwards no connection is in use, no task is left, and the event loop has had nothing to
    complain of: no callback that raised, no error that nobody fetched.
    """
    before = asyncio.all_tasks()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    async with misbehaving_origin(server_tls) as origin:
        transport = Http1Transport(timeouts, tls=tls)
        client = Http1Client(origin, transport)
        pool = client.pool
        try:
            yield client
            assert pool.active == 0
        finally:
            await transport.close()
    assert pool.idle == 0
    async with asyncio.timeout(1):  # what is cancelled already has to notice
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)
    gc.collect(1)
    assert complaints == [], complaints
