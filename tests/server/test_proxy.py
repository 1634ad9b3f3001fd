"""The whole gateway between two sockets: what passes, what is changed, and when it is set free."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from api_gateway import ApiGateway, BackendService, Endpoint, Observer, Request, RequestContext, Response
from api_gateway.core.middleware import Handler
from api_gateway.transport.transport import Timeouts
from tests.support.gateway_server import on_both_loops, proxying, serve, until
from tests.support.misbehaving_origin import Origin, misbehaving_origin
from tests.support.raw_client import connect


@pytest.fixture(autouse=True)
def _nothing_is_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert errors == []


class Witness(Observer):
    """Keeps what the access log would see."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []
        self.responses: list[Response] = []

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        response = await call_next(request, context)
        self.contexts.append(context)
        self.responses.append(response)
        return response


def request(name: str, method: str = "GET", fields: bytes = b"", body: bytes = b"") -> bytes:
    return f"{method} /{name} HTTP/1.1\r\nHost: client.example\r\n".encode() + fields + b"\r\n" + body


def endpoint(gateway: ApiGateway) -> Endpoint:
    service = gateway.services["service"]
    assert isinstance(service, BackendService)
    return service.endpoints[0]


async def until_free(gateway: ApiGateway, origin: Origin) -> None:
    """The service's slot is free, and the connection is closed, as far as the service can see that."""
    if not origin.requests[0].name.startswith(("never-reads", "early-answer")):
        await origin.until(lambda: origin.open == 0, seconds=2)
    await until(lambda: not endpoint(gateway).in_flight)


# What is changed on the way.


@on_both_loops
async def test_the_service_gets_the_request_less_what_belongs_to_the_clients_connection() -> None:
    fields = (
        b"Connection: keep-alive, X-Mine, Content-Length\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
        b"Trailer: X-T\r\nUpgrade: h2c\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\n"
        b"X_User_Id: root\r\nVia: 1.0 before\r\nX-Kept: a\r\nX-Kept: b\r\nContent-Length: 5\r\n"
    )
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        client.send(request("echoed?a=%20b", "POST", fields, b"hello"))
        assert (await client.response()).body == b"POST /echoed?a=%20b"
    (received,) = origin.requests
    assert received.headers == [
        ("host", origin.url.removeprefix("http://")),
        ("via", "1.0 before"),
        ("x-kept", "a"),
        ("x-kept", "b"),
        ("via", "1.1 api-gateway"),
        ("content-length", "5"),
    ]
    assert received.body == b"hello"


@on_both_loops
async def test_the_client_gets_the_answer_less_what_belongs_to_the_services_connection() -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        client.send(request("hop-by-hop"))
        response = await client.response()
        names = [name for name, _ in response.headers]
        assert (response.status, response.body) == (200, b"ok")
        assert sorted(names) == ["content-length", "date", "via"]
        assert response.header("via") == "1.1 api-gateway"


@on_both_loops
async def test_connections_on_both_sides_are_used_again() -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        for number in range(20):
            client.send(request(f"{number}"))
            assert (await client.response()).body == f"GET /{number}".encode()
        assert (origin.connections, server.connections) == (1, 1)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("chunked", b"okay!"),
        ("interim", b"ok"),
        ("close-delimited", b"all there is"),
        ("http-1.0", b"ok"),
        ("connection-close", b"ok"),
        ("not-really-gzip", b"ok"),
    ],
)
@on_both_loops
async def test_every_framing_of_the_service_arrives_as_a_whole_answer(name: str, body: bytes) -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        for _ in range(2):
            client.send(request(name))
            response = await client.response()
            assert (response.status, response.body, response.cut) == (200, body, False)
            assert response.header("connection") is None
        client.send(request(name).replace(b"HTTP/1.1", b"HTTP/1.0"))
        response = await client.response()
        assert (response.header("transfer-encoding"), response.body) == (None, body)
        assert await client.ended()


@pytest.mark.parametrize(("method", "name"), [("HEAD", "any"), ("GET", "no-content"), ("GET", "not-modified")])
@on_both_loops
async def test_answers_without_a_body_keep_both_connections_in_step(method: str, name: str) -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        for _ in range(3):
            client.send(request(name, method) + request("plain"))
            assert (await client.response(method)).body == b""
            assert (await client.response()).body == b"GET /plain"


@on_both_loops
async def test_an_expectation_is_met_once_and_not_passed_on() -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        client.send(request("upload", "PUT", b"Expect: 100-continue\r\nContent-Length: 5\r\n"))
        assert (await client.head()).status == 100
        client.send(b"hello")
        assert (await client.response()).status == 200
    (received,) = origin.requests
    assert received.header("expect") is None
    assert received.body == b"hello"


@on_both_loops
async def test_what_is_forwarded_is_the_path_that_was_matched() -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        client.send(request("a/./b//../%63/d%2fe;f=g?h=%0d%0ai"))
        assert (await client.response()).body == b"GET /a/c/d%2Fe;f=g?h=%0d%0ai"


# Streams.


@on_both_loops
async def test_each_event_arrives_before_the_service_sends_the_next() -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        client.send(request("events"))
        assert (await client.head()).header("content-type") == "text/event-stream"
        for number in range(3):
            assert await client.chunk() == b"data: %03d\n\n" % number
            if number < 2:
                origin.go.set()  # only now does the service go on


@pytest.mark.parametrize("framing", [b"Content-Length: 30\r\n", b"Transfer-Encoding: chunked\r\n"])
@on_both_loops
async def test_each_piece_of_an_upload_arrives_before_the_client_sends_the_next(framing: bytes) -> None:
    chunked = b"chunked" in framing
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server, connect(server.port) as client:
        client.send(request("echo", "POST", framing))
        client.send(b"a\r\n0123456789\r\n" if chunked else b"0123456789")
        await client.head()
        assert await client.chunk() == b"0123456789"
        for _ in range(2):
            client.send(b"a\r\n0123456789\r\n" if chunked else b"0123456789")
            assert await client.chunk() == b"0123456789"
        if chunked:
            client.send(b"0\r\n\r\n")
        assert await client.chunk() == b""


# Who leaves frees what.


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        pytest.param("never-answers", request("never-answers"), id="waiting for the head"),
        pytest.param("events", request("events"), id="between two events"),
        pytest.param("stall-in-body", request("stall-in-body"), id="in the body"),
        pytest.param(
            "never-reads", request("never-reads", "POST", b"Content-Length: 9\r\n", b"hello"), id="in the upload"
        ),
    ],
)
@pytest.mark.parametrize("way", ["leave", "half-close", "reset"])
@on_both_loops
async def test_a_client_that_leaves_ends_the_upstream_call(name: str, raw: bytes, way: str) -> None:
    async with misbehaving_origin() as origin:
        gateway = proxying(origin.url)
        async with serve(gateway) as server, connect(server.port) as client:
            client.send(raw)
            await origin.until(lambda: len(origin.requests) == 1, seconds=2)
            assert endpoint(gateway).in_flight == 1
            {"leave": client.writer.close, "half-close": client.finish_sending, "reset": client.reset}[way]()
            await until_free(gateway, origin)
            await server.until_idle()


@on_both_loops
async def test_a_client_that_stops_reading_stops_the_service_and_leaving_frees_it() -> None:
    async with misbehaving_origin() as origin:
        gateway = proxying(origin.url)
        async with serve(gateway) as server, connect(server.port, receive_buffer=4096) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(request("flood"))
            await origin.until(lambda: origin.stalled > 0)
            assert origin.written < 32 * 1024 * 1024, "what the kernel holds, and little more"
            client.reset()
            await until_free(gateway, origin)


@on_both_loops
async def test_a_service_that_refuses_an_upload_early_is_heard() -> None:
    async with misbehaving_origin() as origin:
        gateway = proxying(origin.url)
        async with serve(gateway) as server, connect(server.port) as client:
            client.send(request("early-answer", "POST", b"Content-Length: 1000000\r\n", bytes(100_000)))
            response = await client.response()
            assert (response.status, response.body, response.header("connection")) == (413, b"no.", "close")
            assert await client.ended()
            await until_free(gateway, origin)


# The service fails.

QUICK = Timeouts(connect=1.0, request=0.1, idle=0.1)

WITHOUT_AN_ANSWER = {
    "reset-before-head": (502, "UC"),
    "close-before-head": (502, "UC"),
    "reset-in-head": (502, "UC"),
    "close-in-head": (502, "UC"),
    "two-lengths": (502, "UPE"),
    "both-framings": (502, "UPE"),
    "length-plus": (502, "UPE"),
    "coding-gzip": (502, "UPE"),
    "obs-fold": (502, "UPE"),
    "nul-in-header": (502, "UPE"),
    "cr-in-header": (502, "UPE"),
    "bare-lf": (502, "UPE"),
    "huge-header": (502, "UPE"),
    "many-headers": (502, "UPE"),
    "endless-headers": (502, "UPE"),
    "garbage": (502, "UPE"),
    "http-0.9": (502, "UPE"),
    "interim-storm": (502, "UPE"),
    "switching-protocols": (502, "UPE"),
    "status-600": (502, "UPE"),
    "status-999": (502, "UPE"),
    "never-answers": (504, "UT"),
    "drip-head": (504, "UT"),
}


@pytest.mark.parametrize("name", WITHOUT_AN_ANSWER)
@on_both_loops
async def test_a_service_that_gives_no_answer_is_a_problem_with_its_flag(name: str) -> None:
    status, flag = WITHOUT_AN_ANSWER[name]
    witness = Witness()
    async with misbehaving_origin() as origin:
        gateway = proxying(origin.url, witness, timeouts=QUICK)
        async with serve(gateway) as server, connect(server.port) as client:
            client.send(request(name))
            response = await client.response()
            assert response.status == status
            assert response.header("content-type") == "application/problem+json"
            assert "detail" not in response.json()
            assert witness.contexts[0].flag == flag
            assert witness.contexts[0].error
            assert (endpoint(gateway).in_flight, endpoint(gateway).failures) == (0, 1)
            client.send(request("plain"))
            assert (await client.response()).body == b"GET /plain"


@on_both_loops
async def test_a_service_that_refuses_connections_is_502() -> None:
    witness = Witness()
    async with misbehaving_origin() as origin:
        url = origin.url
    gateway = proxying(url, witness)
    async with serve(gateway) as server, connect(server.port) as client:
        client.send(request("any"))
        response = await client.response()
        assert (response.status, response.json()["code"]) == (502, "upstream-connect-failed")
        assert url.removeprefix("http://") not in response.body.decode()
    assert witness.contexts[0].flag == "UF"


@on_both_loops
async def test_a_service_without_endpoints_is_503() -> None:
    witness = Witness()
    gateway = proxying("http://127.0.0.1:1", witness)
    service = gateway.services["service"]
    assert isinstance(service, BackendService)
    service.endpoints = ()
    async with serve(gateway) as server, connect(server.port) as client:
        client.send(request("any"))
        assert (await client.response()).status == 503
    assert witness.contexts[0].flag == "UH"


@pytest.mark.parametrize(
    "name",
    [
        "short-body",
        "reset-in-body",
        "reset-in-close-delimited",
        "close-in-chunk",
        "close-before-last-chunk",
        "stall-in-body",
    ],
)
@pytest.mark.parametrize("http_version", ["1.1", "1.0"])
@on_both_loops
async def test_a_service_that_dies_in_its_body_cuts_the_client(name: str, http_version: str) -> None:
    witness = Witness()
    async with misbehaving_origin() as origin:
        gateway = proxying(origin.url, witness, timeouts=QUICK)
        async with serve(gateway) as server, connect(server.port) as client:
            client.send(request(name).replace(b"HTTP/1.1", f"HTTP/{http_version}".encode()))
            origin.go.set()
            response = await client.response()
            assert (response.status, response.cut) == (200, True)
            await server.until_idle()
            assert endpoint(gateway).in_flight == 0
    assert witness.responses[0].failure is not None
    assert not witness.responses[0].complete


@pytest.mark.parametrize("name", ["surplus", "surplus-later", "surplus-after-chunked", "surplus-after-204"])
@on_both_loops
async def test_bytes_behind_an_answer_never_become_the_next_clients_answer(name: str) -> None:
    async with misbehaving_origin() as origin, serve(proxying(origin.url)) as server:
        for _ in range(3):
            async with connect(server.port) as client, connect(server.port) as other:
                client.send(request(name))
                assert b"stolen" not in (await client.response()).body
                other.send(request("plain"))
                assert (await other.response()).body == b"GET /plain"
