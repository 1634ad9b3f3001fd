"""The edge against bytes that are malformed, ambiguous, or too many: each on a real socket.

Three tables: what is refused because nobody can tell where it ends (the connection closes), what is
refused though it is well framed (the connection may go on), and what is accepted in one canonical
form.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.middleware.body_limit import BodyLimitMiddleware
from tests.support.gateway_server import answering, on_both_loops, serve
from tests.support.raw_client import RawClient, RawResponse, connect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKED_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def line(request_line: bytes) -> bytes:
    return request_line + b"\r\nHost: a\r\n\r\n"


def target(path: bytes) -> bytes:
    return line(b"GET " + path + b" HTTP/1.1")


def header(field: bytes) -> bytes:
    return GET + field + b"\r\n\r\n"


def coded(coding: bytes) -> bytes:
    return POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n" + CHUNKED_HELLO


def counted(length: bytes) -> bytes:
    return POST + b"Content-Length: " + length + b"\r\n\r\nhello"


CLOSED: dict[str, tuple[bytes, int]] = {
    # Framing.
    "length then coding": (counted(b"5\r\nTransfer-Encoding: chunked"), 400),
    "coding then length": (coded(b"chunked\r\nContent-Length: 5"), 400),
    "two different lengths": (counted(b"5\r\nContent-Length: 6"), 400),
    "two equal lengths": (counted(b"5\r\nContent-Length: 5"), 400),
    "a list of lengths": (counted(b"5, 5"), 400),
    "length +5": (counted(b"+5"), 400),
    "length -1": (counted(b"-1"), 400),
    "length 5x": (counted(b"5x"), 400),
    "length 0x5": (counted(b"0x5"), 400),
    "length 5 5": (counted(b"5 5"), 400),
    "length 1_0": (counted(b"1_0"), 400),
    "empty length": (counted(b""), 400),
    "length over 64 bits": (counted(b"18446744073709551616"), 400),
    "length far over 64 bits": (counted(b"9" * 200), 400),
    "coding gzip": (coded(b"gzip"), 400),
    "coding gzip, chunked": (coded(b"gzip, chunked"), 400),
    "coding chunked, gzip": (coded(b"chunked, gzip"), 400),
    "coding chunked, chunked": (coded(b"chunked, chunked"), 400),
    "coding chunked twice": (coded(b"chunked\r\nTransfer-Encoding: chunked"), 400),
    "coding identity then chunked": (coded(b"identity\r\nTransfer-Encoding: chunked"), 400),
    "coding chunked then identity": (coded(b"chunked\r\nTransfer-Encoding: identity"), 400),
    "coding xchunked": (coded(b"xchunked"), 400),
    "coding identity": (coded(b"identity"), 400),
    "coding quoted": (coded(b'"chunked"'), 400),
    "coding with a parameter": (coded(b"chunked;q=1"), 400),
    "coding behind a comma": (coded(b",chunked"), 400),
    "coding behind a tab and before one": (coded(b"\tchunked \t"), 400),
    "coding behind a vertical tab": (coded(b"\x0bchunked"), 400),
    "empty coding": (coded(b""), 400),
    "coding on HTTP/1.0": (coded(b"chunked").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "chunk size x": (CHUNKED + b"x\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size 0x5": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size -5": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size +5": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size behind a space": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size before a space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "no chunk size": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size over 64 bits": (CHUNKED + b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size of 64 zeros and more": (CHUNKED + b"1" + b"0" * 64 + b"\r\nhello\r\n", 400),
    "bare LF behind a chunk size": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "bare LF behind a chunk": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "bare LF behind the last chunk": (CHUNKED + b"5\r\nhello\r\n0\n\n", 400),
    "bare CR behind a chunk size": (CHUNKED + b"5\rXhello\r\n0\r\n\r\n", 400),
    "bare LF in a chunk extension": (CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    "bare LF in a quoted chunk extension": (CHUNKED + b'5;a="\n"\r\nhello\r\n0\r\n\r\n', 400),
    "a longer chunk than announced": (CHUNKED + b"5\r\nhello, world\r\n0\r\n\r\n", 400),
    "length as a trailer": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    "folded trailer": (CHUNKED + b"0\r\nX-A: 1\r\n 2\r\n\r\n", 400),
    "trailer behind a space": (CHUNKED + b"0\r\n X-A: 1\r\n\r\n", 400),
    # Header fields.
    "folded header": (header(b"X-A: 1\r\n 2"), 400),
    "folded header by a tab": (header(b"X-A: 1\r\n\t2"), 400),
    "folded length": (counted(b"5\r\n 0"), 400),
    "folded first header": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "bare LF in headers": (header(b"X-A: 1\nX-B: 2"), 400),
    "bare CR in headers": (header(b"X-A: 1\rX-B: 2"), 400),
    "bare LF at the end of headers": (GET + b"X-A: 1\n\n", 400),
    "NUL in a value": (header(b"X-A: a\x00b"), 400),
    "control byte in a value": (header(b"X-A: a\x01b"), 400),
    "escape in a value": (header(b"X-A: a\x1bb"), 400),
    "DEL in a value": (header(b"X-A: a\x7fb"), 400),
    "vertical tab in a value": (header(b"X-A: a\x0bb"), 400),
    "NUL in a name": (header(b"X\x00A: 1"), 400),
    "control byte in a name": (header(b"X\x01A: 1"), 400),
    "byte over 127 in a name": (header(b"X\xe9A: 1"), 400),
    "parenthesis in a name": (header(b"X(A): 1"), 400),
    "slash in a name": (header(b"X/A: 1"), 400),
    "space before the colon": (header(b"X-A : 1"), 400),
    "tab before the colon": (header(b"X-A\t: 1"), 400),
    "space before the colon of a length": (POST + b"Content-Length : 5\r\n\r\nhello", 400),
    "empty name": (header(b": 1"), 400),
    "no colon": (header(b"X-A"), 400),
    "no name at all": (header(b" "), 400),
    # The request line.
    "bare LF behind the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare CR behind the request line": (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    "bare CR in the target": (target(b"/a\rb"), 400),
    "bare LF in the target": (target(b"/a\nb"), 400),
    "NUL in the target": (target(b"/a\x00b"), 400),
    "control byte in the target": (target(b"/a\x01b"), 400),
    "DEL in the target": (target(b"/a\x7fb"), 400),
    "space in the target": (target(b"/a b"), 400),
    "tab in the target": (target(b"/a\tb"), 400),
    "byte over 127 in the target": (target(b"/\xe9"), 400),
    "UTF-8 in the query": (target("/?é".encode()), 400),
    "fragment": (target(b"/a#b"), 400),
    "fragment behind a query": (target(b"/a?b#c"), 400),
    "fragment of an absolute target": (target(b"http://a/b#c"), 400),
    "no leading slash": (target(b"a"), 400),
    "no target": (b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "authority form": (target(b"a:80"), 400),
    "another scheme": (target(b"ftp://a/"), 400),
    "scheme without authority": (target(b"http:///b"), 400),
    "user information": (target(b"http://user@a/"), 400),
    "asterisk with GET": (target(b"*"), 400),
    "asterisk with OPTIONS": (line(b"OPTIONS * HTTP/1.1"), 400),
    "asterisk and more": (line(b"OPTIONS *a HTTP/1.1"), 400),
    "CONNECT": (line(b"CONNECT a:443 HTTP/1.1"), 405),
    "CONNECT with bytes behind it": (line(b"CONNECT a:443 HTTP/1.1") + b"\x16\x03\x01", 405),
    "unknown method": (line(b"FETCH / HTTP/1.1"), 400),
    "lower-case method": (line(b"get / HTTP/1.1"), 400),
    "no method": (line(b" / HTTP/1.1"), 400),
    "long method": (line(b"G" * 100_000 + b" / HTTP/1.1"), 400),
    "HTTP/2.0": (line(b"GET / HTTP/2.0"), 400),
    "HTTP/1.2": (line(b"GET / HTTP/1.2"), 400),
    "HTTP/11": (line(b"GET / HTTP/11"), 400),
    "http/1.1": (line(b"GET / http/1.1"), 400),
    "HTTP/0.9": (line(b"GET / HTTP/0.9"), 400),
    "version 0.9 without a version": (b"GET /\r\n\r\n", 400),
    "space behind the version": (line(b"GET / HTTP/1.1 "), 400),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "garbage": (bytes(range(255, 0, -1)), 400),
    # Sizes.
    "target over the limit": (target(b"/" + b"a" * 8192), 414),
    "query over the limit": (target(b"/?" + b"a" * 8192), 414),
    "target over the limit, without end": (b"GET /" + b"a" * 8192, 414),
    "target far over the limit, without end": (b"GET /" + b"a" * 400_000, 414),
    "too many headers": (GET + b"X-A: 1\r\n" * 100 + b"\r\n", 431),
    "far too many headers": (GET + b"a:\r\n" * 60_000 + b"\r\n", 431),
    "a huge header": (header(b"X-A: " + b"a" * 32_768), 431),
    "a huge header without end": (GET + b"X-A: " + b"a" * 400_000, 431),
    "a huge header name without end": (GET + b"a" * 400_000, 431),
    "headers over the limit together": (GET + (b"X-A: " + b"a" * 1000 + b"\r\n") * 40 + b"\r\n", 431),
    "a huge trailer": (CHUNKED + b"0\r\nX-A: " + b"a" * 400_000, 431),
    "many trailers": (CHUNKED + b"0\r\n" + b"X-A: 1\r\n" * 50_000, 431),
    "a huge chunk extension": (CHUNKED + b"5;" + b"a" * 400_000, 431),
    "line ends without end": (b"\r\n" * 200_000, 431),
    # Refused in the chain, but with a body that was not read.
    "expectation of something else": (POST + b"Expect: the-unexpected\r\nContent-Length: 5\r\n\r\n", 417),
    "body over the limit": (POST + b"Content-Length: 1001\r\n\r\n", 413),
    "body far over the limit": (POST + b"Content-Length: 18446744073709551615\r\n\r\nhello", 413),
    "chunked body over the limit": (CHUNKED + b"3e9\r\n" + b"a" * 1001, 413),
    "one chunk of 2 to the 64": (CHUNKED + b"f" * 16 + b"\r\n" + b"a" * 1001, 413),
}

OPEN: dict[str, tuple[bytes, int]] = {
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (header(b"Host: b"), 400),
    "two equal Hosts": (header(b"Host: a"), 400),
    "empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "Host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "Host with user information": (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
    "Host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "Host with a byte over 127": (b"GET / HTTP/1.1\r\nHost: \xe9\r\n\r\n", 400),
    "Host with a long port": (b"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400),
    "absolute target, no Host": (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    "absolute target, two Hosts": (b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "absolute target, invalid authority": (target(b"http://a:123456/"), 400),
    "TRACE": (line(b"TRACE / HTTP/1.1"), 405),
    "above the root": (target(b"/../etc/passwd"), 400),
    "above the root, later": (target(b"/a/../../b"), 400),
    "above the root, escaped": (target(b"/%2e%2e/b"), 400),
    "above the root, half escaped": (target(b"/.%2e/b"), 400),
    "dots before an escaped slash": (target(b"/a/..%2fb"), 400),
    "escaped dots before an escaped slash": (target(b"/a/%2e%2e%2fb"), 400),
    "dots before an escaped backslash": (target(b"/a/..%5cb"), 400),
    "dots before a parameter": (target(b"/a/..;/b"), 400),
    "dots before a parameter with a value": (target(b"/a/..;x=1/b"), 400),
    "raw backslash": (target(b"/a\\b"), 400),
    "escaped NUL": (target(b"/a%00b"), 400),
    "escaped line end": (target(b"/a%0d%0aX-A:1"), 400),
    "not hexadecimal": (target(b"/%zz"), 400),
    "half an escape": (target(b"/a%2"), 400),
    "a percent sign alone": (target(b"/100%"), 400),
    "overlong UTF-8": (target(b"/a%c0%afb"), 400),
    "half of UTF-8": (target(b"/%c3"), 400),
    "a surrogate": (target(b"/%ed%a0%80"), 400),
    "expectation of something else": (header(b"Expect: the-unexpected"), 417),
    "expectation of more": (header(b"Expect: 100-continue, more"), 417),
}


@dataclass
class Accepted:
    """A request that is served, and the one reading of it that may reach the service."""

    raw: bytes
    method: str = "GET"
    target: str = "/"
    host: str = "a"
    body: bytes = b""
    others: tuple[tuple[str, str], ...] = ()
    """Headers besides Host and Content-Length."""


ACCEPTED: dict[str, Accepted] = {
    "plain": Accepted(GET + b"\r\n"),
    "line ends before the request": Accepted(b"\r\n\r\n" + GET + b"\r\n"),
    "two spaces": Accepted(line(b"GET  / HTTP/1.1")),
    "empty value": Accepted(header(b"X-A:\r\nX-B: 2"), others=(("x-a", ""), ("x-b", "2"))),
    "bytes over 127 in a value": Accepted(header(b"X-A: \xe9"), others=(("x-a", "\xe9"),)),
    "tab in a value": Accepted(header(b"X-A: a\tb"), others=(("x-a", "a\tb"),)),
    "a method of its own": Accepted(line(b"PROPFIND / HTTP/1.1"), method="PROPFIND"),
    "absolute target": Accepted(target(b"http://b:8080/c?d=e"), target="/c?d=e", host="b:8080"),
    "absolute target, upper case": Accepted(target(b"HTTP://b/c"), target="/c", host="b"),
    "absolute target, no path": Accepted(target(b"http://b"), host="b"),
    "absolute target, only a query": Accepted(target(b"http://b?c=d"), target="/?c=d", host="b"),
    "absolute target, IPv6": Accepted(target(b"http://[::1]:80/c"), target="/c", host="[::1]:80"),
    "double slash": Accepted(target(b"//a//b"), target="/a/b"),
    "a path that looks like an authority": Accepted(target(b"//evil.example/%61"), target="/evil.example/a"),
    "dots": Accepted(target(b"/a/./b/../c"), target="/a/c"),
    "escaped dots": Accepted(target(b"/a/%2e%2e/b"), target="/b"),
    "escaped slash": Accepted(target(b"/a%2fb"), target="/a%2Fb"),
    "escaped backslash": Accepted(target(b"/a%5cb"), target="/a%5Cb"),
    "escaped letter": Accepted(target(b"/%61dmin"), target="/admin"),
    "parameter": Accepted(target(b"/a;b=c/d"), target="/a;b=c/d"),
    "question marks": Accepted(target(b"/a?b?c"), target="/a?b?c"),
    "underscores": Accepted(header(b"X_User_Id: root\r\nX-A: 1"), others=(("x-a", "1"),)),
    "hop-by-hop": Accepted(
        header(b"Connection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\nX-Mine: 1\r\nTE: trailers\r\nTrailer: x\r\nX-A: 1"),
        others=(("x-a", "1"),),
    ),
    "Connection may not take Host away": Accepted(header(b"Connection: Host")),
    "chunked": Accepted(coded(b"Chunked"), method="POST", body=b"hello"),
    "chunk extension": Accepted(CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n", method="POST", body=b"hello"),
    "trailers are no headers": Accepted(
        CHUNKED + b"5\r\nhello\r\n0\r\nHost: evil\r\nX-User-Id: root\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        method="POST",
        body=b"hello",
    ),
    "chunk size with zeros": Accepted(CHUNKED + b"0005\r\nhello\r\n0\r\n\r\n", method="POST", body=b"hello"),
}


@dataclass
class Seen:
    """A request as it reached the service."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Recorder:
    """A service that keeps what reaches it whole."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        body = await request.read()
        self.seen.append(Seen(request.method, request.target, list(request.headers), body))
        return Response.text("seen")


@pytest.fixture(autouse=True)
def _nothing_is_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert errors == []


def check_problem(response: RawResponse, status: int) -> None:
    assert response.status == status
    assert response.header("content-type") == "application/problem+json"
    assert response.json()["status"] == status
    assert not response.cut


async def check_still_open(client: RawClient) -> None:
    client.send(GET + b"\r\n")
    assert (await client.response()).body == b"seen"


@pytest.mark.parametrize("name", CLOSED)
@on_both_loops
async def test_it_is_refused_and_the_connection_closes(name: str) -> None:
    raw, status = CLOSED[name]
    recorder = Recorder()
    async with serve(answering(recorder, BodyLimitMiddleware(1000))) as server, connect(server.port) as client:
        client.send(raw)
        response = await client.response()
        check_problem(response, status)
        assert response.header("connection") == "close"
        assert await client.ended()
    assert recorder.seen == []


@pytest.mark.parametrize("name", CLOSED)
async def test_it_is_refused_byte_by_byte(name: str) -> None:
    raw, status = CLOSED[name]
    recorder = Recorder()
    async with serve(answering(recorder, BodyLimitMiddleware(1000))) as server, connect(server.port) as client:
        for index in range(min(len(raw), 300)):
            client.send(raw[index : index + 1])
            await asyncio.sleep(0)
        client.send(raw[300:])
        check_problem(await client.response(), status)
        assert await client.ended()
    assert recorder.seen == []


@pytest.mark.parametrize("name", OPEN)
@on_both_loops
async def test_it_is_refused_and_the_next_request_is_served(name: str) -> None:
    raw, status = OPEN[name]
    recorder = Recorder()
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        client.send(raw)
        check_problem(await client.response(), status)
        assert recorder.seen == []
        await check_still_open(client)


@pytest.mark.parametrize("name", ACCEPTED)
@on_both_loops
async def test_it_is_served_in_its_one_reading(name: str) -> None:
    case = ACCEPTED[name]
    recorder = Recorder()
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        client.send(case.raw)
        assert (await client.response(case.method)).status == 200
        await check_still_open(client)
    seen = recorder.seen[0]
    assert (seen.method, seen.target, seen.body) == (case.method, case.target, case.body)
    assert seen.headers == [("host", case.host), *case.others]


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        pytest.param(b"GET /", b"a" * 1000, 414, id="target"),
        pytest.param(GET + b"X-A: ", b"a" * 1000, 431, id="value"),
        pytest.param(GET, b"X-A: 1\r\n" * 10, 431, id="fields"),
        pytest.param(CHUNKED + b"0\r\n", b"X-A: 1\r\n" * 100, 431, id="trailers"),
        pytest.param(CHUNKED + b"5;", b"a" * 1000, 431, id="chunk extension"),
        pytest.param(b"", b"\r\n" * 500, 431, id="line ends"),
    ],
)
@on_both_loops
async def test_what_never_ends_is_refused_while_it_is_sent(start: bytes, piece: bytes, status: int) -> None:
    recorder = Recorder()

    async def drip(client: RawClient) -> None:
        client.send(start)
        while True:
            await client.send_all(piece)
            await asyncio.sleep(0)

    async with serve(answering(recorder)) as server, connect(server.port) as client:
        dripping = asyncio.create_task(drip(client))
        try:
            check_problem(await client.response(), status)
        finally:
            dripping.cancel()
            await asyncio.wait([dripping])
        assert await client.ended()
    assert recorder.seen == []


async def test_exactly_the_limits_are_served() -> None:
    recorder = Recorder()
    async with serve(answering(recorder, BodyLimitMiddleware(1000))) as server, connect(server.port) as client:
        client.send(target(b"/" + b"a" * 8191))
        client.send(GET + b"X-A: 1\r\n" * 99 + b"\r\n")
        client.send(header(b"X-A: " + b"a" * 32_000))
        client.send(POST + b"Content-Length: 1000\r\n\r\n" + b"a" * 1000)
        client.send(CHUNKED + b"3e8\r\n" + b"a" * 1000 + b"\r\n0\r\n\r\n")
        assert [(await client.response()).status for _ in range(5)] == [200] * 5


@on_both_loops
async def test_a_named_header_of_the_client_goes_and_that_of_the_gateway_stays() -> None:
    recorder = Recorder()

    async def identify(request: Request, context: RequestContext, call_next: object) -> Response:
        assert callable(call_next)
        return await call_next(request.with_headers(request.headers.setting("X-User-Id", "alice")), context)  # type: ignore[no-any-return]

    async with serve(answering(recorder, identify)) as server, connect(server.port) as client:
        client.send(header(b"X-User-Id: root\r\nConnection: X-User-Id"))
        assert (await client.response()).status == 200
    assert recorder.seen[0].headers == [("host", "a"), ("x-user-id", "alice")]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@on_both_loops
async def test_an_upgrade_is_not_granted_and_what_is_behind_it_is_no_request(protocol: bytes) -> None:
    recorder = Recorder()
    asked = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AAMAAABk"
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        client.send(header(asked) + target(b"/smuggled"))
        response = await client.response()
        client.send(target(b"/smuggled-too"))
        assert response.status == 200
        assert response.header("connection") == "close"
        assert response.header("upgrade") is None
        assert await client.rest() == b""
    assert [(seen.target, seen.headers) for seen in recorder.seen] == [("/", [("host", "a")])]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        pytest.param(b"Content-Length: 5", b"hello", id="counted"),
        pytest.param(b"Transfer-Encoding: chunked", CHUNKED_HELLO, id="chunked"),
    ],
)
@pytest.mark.parametrize("split", [False, True])
@on_both_loops
async def test_a_body_with_an_ignored_upgrade_arrives_whole(framing: bytes, body: bytes, split: bool) -> None:
    recorder = Recorder()
    raw = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + framing + b"\r\n\r\n" + body
    split_at = len(raw) - 1 if split else 0
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        for index in range(split_at):
            client.send(raw[index : index + 1])
            await asyncio.sleep(0)
        client.send(raw[split_at:] + target(b"/smuggled"))
        response = await client.response()
        assert (response.status, response.header("connection")) == (200, "close")
        assert await client.rest() == b""
    assert [(seen.target, seen.body) for seen in recorder.seen] == [("/", b"hello")]


async def test_a_malformed_body_with_an_ignored_upgrade_is_refused() -> None:
    recorder = Recorder()
    raw = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        client.send(raw)
        check_problem(await client.response(), 400)
        assert await client.ended()
    assert recorder.seen == []


@on_both_loops
async def test_a_client_that_waits_for_100_is_told_once_when_the_service_reads() -> None:
    recorder = Recorder()
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        for _ in range(2):
            client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert (await client.head()).status == 100
            client.send(b"hel")
            await asyncio.sleep(0)
            client.send(b"lo")
            response = await client.response()
            assert (response.status, response.body) == (200, b"seen")
    assert [seen.headers for seen in recorder.seen] == [[("host", "a"), ("content-length", "5")]] * 2


async def test_a_client_that_waits_for_100_is_not_told_when_the_service_does_not_read() -> None:
    async def decline(request: Request, context: RequestContext) -> Response:
        return Response.text("no", 403)

    async with serve(answering(decline)) as server, connect(server.port) as client:
        client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        response = await client.response()
        assert (response.status, response.header("connection")) == (403, "close")
        assert await client.ended()


async def test_a_client_of_http_1_0_is_never_told_100() -> None:
    recorder = Recorder()
    async with serve(answering(recorder)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
        assert (await client.response()).status == 200
        assert await client.ended()
    assert recorder.seen[0].body == b"hello"
