"""The httpx transport: the same seam, the same promises, and HTTP/2."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from api_gateway.core.errors import PayloadTooLarge
from api_gateway.core.headers import HeadersLike
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import (
    ConnectFailed,
    ConnectTimeout,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamReset,
    UpstreamTimeout,
)
from api_gateway.transport.httpx_transport import HttpxTransport
from api_gateway.transport.transport import Timeouts
from tests.support.certificates import client_context, server_context
from tests.support.http2_origin import http2_origin
from tests.support.misbehaving_origin import Origin, misbehaving_origin
from tests.support.sockets import full_backlog, refused_port

SHORT = Timeouts(connect=2.0, request=0.4, idle=0.4)


class Client:
    """Sends requests to one URL."""

    def __init__(self, transport: HttpxTransport, url: str) -> None:
        self.transport = transport
        self.url = url
        self.context = RequestContext()

    async def send(self, method: str, target: str, headers: HeadersLike = (), body: Body = b"") -> Response:
        return await self.transport.send(self.url, Request(method, target, headers, body), self.context)

    async def read(self, method: str, target: str, headers: HeadersLike = (), body: Body = b"") -> bytes:
        return await (await self.send(method, target, headers, body)).read()


@pytest.fixture
async def transport() -> AsyncIterator[HttpxTransport]:
    before = asyncio.all_tasks()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    transport = HttpxTransport(SHORT, tls=client_context())
    yield transport
    await transport.close()
    async with asyncio.timeout(1):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)
    gc.collect(1)
    assert complaints == []


@pytest.fixture
async def origin(transport: HttpxTransport) -> AsyncIterator[Origin]:
    async with misbehaving_origin() as origin:
        yield origin


@pytest.fixture
def client(transport: HttpxTransport, origin: Origin) -> Client:
    return Client(transport, origin.url)


async def test_requests_and_answers_pass(client: Client, origin: Origin) -> None:
    response = await client.send("GET", "/page?a=1", {"accept": "*/*"})
    assert (response.status, response.header("via"), await response.read()) == (
        200,
        "1.1 api-gateway",
        b"GET /page?a=1",
    )
    assert await client.read("POST", "/page", body=b"upload") == b"POST /page"
    head = await client.send("HEAD", "/page")
    assert (head.header("content-length"), await head.read()) == ("10", b"")
    assert await client.read("GET", "/no-content") == b""
    assert await client.read("GET", "/chunked") == b"okay!"
    assert origin.requests[1].body == b"upload"


async def test_nothing_is_added_to_a_request_but_host_and_via(client: Client, origin: Origin) -> None:
    await client.read("GET", "/page", {"x-own": "1", "host": "client.example"})
    authority = origin.url.removeprefix("http://")
    assert origin.requests[0].headers == [("host", authority), ("x-own", "1"), ("via", "1.1 api-gateway")]


@pytest.mark.parametrize("target", ["/a%2Fb/..;x/%2e%2e//c", '/a"b/../c', "/%00?q=%0d%0a", "/x?a=b?c={d}"])
async def test_the_path_is_not_normalised_once_more(client: Client, origin: Origin, target: str) -> None:
    await client.read("GET", target)
    assert origin.requests[0].target == target


async def test_cookies_of_one_answer_do_not_go_out_with_the_next_request(client: Client, origin: Origin) -> None:
    response = await client.send("GET", "/cookie")
    assert response.header("set-cookie") == "session=secret"
    await response.read()
    await client.read("GET", "/page")
    assert origin.requests[1].header("cookie") is None


async def test_a_body_is_not_decoded(client: Client) -> None:
    response = await client.send("GET", "/not-really-gzip")
    assert (response.header("content-encoding"), await response.read()) == ("gzip", b"ok")


async def test_a_body_streams_both_ways(client: Client, origin: Origin) -> None:
    async def upload() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    await client.read("POST", "/page", body=upload())
    await client.read("POST", "/page", {"content-length": "7"}, upload())
    assert [request.body for request in origin.requests] == [b"one two", b"one two"]
    assert [request.header("transfer-encoding") for request in origin.requests] == ["chunked", None]

    response = await client.send("GET", "/events")
    events = []
    async for event in response.stream():
        events.append(event)
        origin.go.set()
    assert events == [b"data: 000\n\n", b"data: 001\n\n", b"data: 002\n\n"]


@pytest.mark.parametrize("name", ["surplus", "surplus-later", "surplus-after-chunked", "surplus-garbage"])
async def test_bytes_beyond_an_answer_never_become_the_next_one(client: Client, name: str) -> None:
    assert await client.read("GET", f"/{name}") == b"ok"
    assert await client.read("GET", "/mine") == b"GET /mine"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("garbage", UpstreamProtocolError),
        ("two-lengths", UpstreamProtocolError),
        ("status-099", UpstreamProtocolError),
        ("status-600", UpstreamProtocolError),
        ("switching-protocols", UpstreamProtocolError),
        ("nul-in-header", UpstreamProtocolError),
        ("chunk-size-word", UpstreamProtocolError),
        ("huge-header", UpstreamProtocolError),
        ("reset-before-head", UpstreamReset),
        ("close-before-head", UpstreamReset),
        ("reset-in-head", UpstreamReset),
        ("close-in-head", UpstreamReset),
        ("short-body", UpstreamError),
        ("close-in-chunk", UpstreamError),
        ("never-answers", UpstreamTimeout),
        ("stall-in-body", UpstreamTimeout),
    ],
)
async def test_errors_are_the_gateways_own(
    client: Client, origin: Origin, name: str, error: type[UpstreamError]
) -> None:
    with pytest.raises(error):
        await client.read("GET", f"/{name}")
    await origin.until(lambda: origin.open == 0)


async def test_a_dripping_head_times_out_by_total_time(origin: Origin) -> None:
    transport = HttpxTransport(Timeouts(connect=0.1, request=0.2, idle=5))
    with pytest.raises(UpstreamTimeout):
        await Client(transport, origin.url).send("GET", "/drip-head")
    await transport.close()


async def test_pauses_of_a_body_are_measured_by_the_idle_timeout(origin: Origin) -> None:
    transport = HttpxTransport(Timeouts(connect=1, request=0.1, idle=5))
    response = await Client(transport, origin.url).send("GET", "/body-on-command")
    chunks = response.stream()
    assert await anext(chunks) == b"half."
    asyncio.get_running_loop().call_later(0.3, origin.go.set)  # longer than the request timeout
    assert await anext(chunks) == b"other"
    await response.close()
    await transport.close()


async def test_a_refused_connection_and_an_unknown_name_fail_to_connect(transport: HttpxTransport) -> None:
    for url in (f"http://127.0.0.1:{refused_port()}", "http://nonexistent.invalid"):
        with pytest.raises(ConnectFailed) as caught:
            await Client(transport, url).send("GET", "/")
        assert not caught.value.sent


async def test_a_connection_that_is_not_accepted_times_out() -> None:
    transport = HttpxTransport(Timeouts(connect=0.1, request=5))
    with full_backlog() as port:
        if port is None:
            pytest.skip("this system accepts connections beyond a full backlog")
        with pytest.raises(ConnectTimeout):
            await Client(transport, f"http://127.0.0.1:{port}").send("GET", "/")
    await transport.close()


async def test_certificates_are_verified_by_default() -> None:
    transport = HttpxTransport(SHORT)
    async with misbehaving_origin(server_context()) as origin:
        with pytest.raises(ConnectFailed):
            await Client(transport, origin.url).send("GET", "/")
        assert origin.requests == []
    await transport.close()


async def test_a_refusal_of_the_upload_is_raised_as_it_is(client: Client, origin: Origin) -> None:
    async def upload() -> AsyncIterator[bytes]:
        yield b"small"
        raise PayloadTooLarge("over the limit")

    with pytest.raises(PayloadTooLarge):
        await client.send("POST", "/page", body=upload())
    await origin.until(lambda: origin.open == 0)


async def test_cancelling_and_discarding_close_the_connection(client: Client, origin: Origin) -> None:
    waiting = asyncio.create_task(client.send("GET", "/never-answers"))
    await origin.until(lambda: len(origin.requests) == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await origin.until(lambda: origin.open == 0)
    response = await client.send("GET", "/stall-in-body")
    await response.close()
    await origin.until(lambda: origin.open == 0)


async def test_more_streams_than_any_default_limit_can_be_open(client: Client, origin: Origin) -> None:
    responses = await asyncio.gather(*(client.send("GET", "/body-on-command") for _ in range(105)))
    assert origin.open == 105
    for response in responses:
        await response.close()


# HTTP/2.


async def test_http2_is_spoken_where_the_service_offers_it_and_its_connection_is_kept(
    transport: HttpxTransport,
) -> None:
    async with http2_origin() as origin:
        client = Client(transport, origin.url)
        connections = []
        for number in range(4):
            response = await client.send("GET", f"/{number}/..;x")
            connections.append(response.header("x-connection"))
            assert await response.read() == f"/{number}/..;x".encode()
        assert connections[1:] == ["2", "2", "2"]  # the first one only showed what the service speaks
        bodies = await asyncio.gather(*(client.read("GET", f"/own/{number}") for number in range(20)))
        assert bodies == [f"/own/{number}".encode() for number in range(20)]
        assert origin.connections == 2
        names = [name for name, _ in origin.requests[0]]
        assert sorted(names) == [":authority", ":method", ":path", ":scheme", "via"]
        await transport.close()


async def test_an_upload_streams_over_http2(transport: HttpxTransport) -> None:
    async def upload() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(10_000)

    async with http2_origin() as origin:
        client = Client(transport, origin.url)
        assert await client.read("POST", "/upload", body=upload()) == b"/upload"
        assert origin.bodies["/upload"] == bytes(200_000)
        await transport.close()


async def test_a_stream_reset_over_http2_is_an_upstream_error(transport: HttpxTransport) -> None:
    async with http2_origin() as origin:
        client = Client(transport, origin.url)
        with pytest.raises(UpstreamError):
            await client.send("GET", "/reset")
        assert await client.read("GET", "/after") == b"/after"
        await transport.close()


async def test_a_service_that_no_longer_speaks_http2_is_found_out(transport: HttpxTransport) -> None:
    async with misbehaving_origin(server_context()) as origin:
        client = Client(transport, origin.url)
        transport._speaks_http2.add(origin.url)
        with pytest.raises(UpstreamError):
            await client.send("GET", "/page")
        assert await client.read("GET", "/page") == b"GET /page"
