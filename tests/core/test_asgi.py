"""The ASGI home, with `receive` and `send` written by hand: framing, disconnects, cuts, lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from api_gateway.core import asgi
from api_gateway.core.asgi import CONNECTION_EXTENSION, AsgiApplication, Message, Scope
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ClientDisconnected, RequestTimeout
from api_gateway.core.headers import HeaderPairs
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset

DISCONNECT: Message = {"type": "http.disconnect"}


class Connection:
    """The `api_gateway.connection` extension of a server, written down."""

    def __init__(self, client: Client, takes_whole: bool) -> None:
        self.client = client
        self.takes_whole = takes_whole
        self.disconnected: Callable[[], object] | None = None
        self.lingers = 0
        self.aborted = 0

    def cancel_on_disconnect(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.disconnected = task.cancel

    def send_whole(self, status: int, headers: HeaderPairs, body: bytes) -> bool:
        if not self.takes_whole:
            return False
        bodiless = self.client.scope["method"] == "HEAD" or status in (204, 304)
        self.client.sent += [
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": b"" if bodiless else body},
        ]
        return True

    def linger(self) -> None:
        self.lingers += 1

    def abort(self) -> None:
        self.aborted += 1


@dataclass
class Client:
    """One request and everything that comes back."""

    scope: Scope
    messages: list[Message]
    sent: list[Message] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has gone; `receive` then says so."""
    first_bytes: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        if self.messages:
            return self.messages.pop(0)
        await self.left.wait()
        return DISCONNECT

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.first_bytes.set()

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.sent[0]["headers"] if key == name]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def ended(self) -> bool:
        """Whether the response was ended as if complete."""
        return any(
            message["type"] == "http.response.body" and not message.get("more_body", False) for message in self.sent
        )


def client(
    method: str = "GET",
    path: bytes = b"/a",
    headers: HeaderPairs | None = None,
    upload: Sequence[Message] | None = None,
) -> Client:
    fields = [(b"host", b"example.com")] if headers is None else headers
    scope: Scope = {
        "type": "http",
        "method": method,
        "scheme": "https",
        "http_version": "1.1",
        "path": "/wrong",
        "raw_path": path,
        "query_string": b"q=%2F",
        "headers": fields,
        "client": ("10.0.0.7", 4711),
    }
    return Client(scope, list(upload) if upload else [{"type": "http.request", "body": b"", "more_body": False}])


def uploading(*chunks: bytes, then: Message | None = None) -> Client:
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append(then or {"type": "http.request", "body": b"", "more_body": False})
    headers = [(b"host", b"example.com"), (b"transfer-encoding", b"chunked")]
    return client("POST", headers=headers, upload=messages)


def application(handler: Handler, wall: float = 0.0) -> tuple[AsgiApplication, ManualClock]:
    clock = ManualClock(monotonic=99, wall=wall)
    return AsgiApplication(handler, clock, AsyncExitStack()), clock


def extended(client: Client, takes_whole: bool = False) -> Connection:
    connection = Connection(client, takes_whole)
    client.scope["extensions"] = {CONNECTION_EXTENSION: connection}
    return connection


async def ask(client: Client, answer: Response | Handler) -> Client:
    async def fixed(request: Request, context: RequestContext) -> Response:
        assert isinstance(answer, Response)
        return answer

    app, _ = application(fixed if isinstance(answer, Response) else answer)
    await app(client.scope, client.receive, client.send)
    return client


class Body:
    """A stream that notes that it was closed, and may fail or wait instead of ending."""

    def __init__(self, *chunks: bytes, then: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        self.chunks = list(chunks)
        self.then = then
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.chunks:
            return self.chunks.pop(0)
        if self.then is not None:
            await self.then()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


async def forever() -> None:
    await asyncio.Event().wait()


async def cut() -> None:
    raise UpstreamReset("the service died")


with_and_without_the_extension = pytest.mark.parametrize("kind", ["plain", "streaming", "whole"])


def home(client: Client, kind: str) -> Connection | None:
    """`plain`: an ASGI server without the extension; else with it, taking responses whole or not."""
    return None if kind == "plain" else extended(client, takes_whole=kind == "whole")


# The request.


async def test_the_request_is_made_of_the_raw_path_and_the_context_of_the_scope() -> None:
    seen: list[tuple[Request, RequestContext]] = []

    async def handler(request: Request, context: RequestContext) -> Response:
        seen.append((request, context))
        return Response()

    asked = await ask(client(path=b"/a%2Fb"), handler)
    [(request, context)] = seen
    assert (request.method, request.target, request.body) == ("GET", "/a%2Fb?q=%2F", b"")
    assert request.headers.pairs == asked.scope["headers"]
    assert (context.peer_address, context.client_address, context.scheme) == ("10.0.0.7", "10.0.0.7", "https")
    assert (context.http_version, context.started) == ("1.1", 99)


async def test_a_server_that_does_not_know_the_peer_leaves_its_address_empty() -> None:
    async def handler(request: Request, context: RequestContext) -> Response:
        return Response.text(repr(context.peer_address))

    unknown = client()
    unknown.scope["client"] = None
    assert (await ask(unknown, handler)).body == b"''"


@pytest.mark.parametrize(
    ("headers", "streamed"),
    [
        ([(b"content-length", b"5")], True),
        ([(b"transfer-encoding", b"chunked")], True),
        ([(b"content-length", b"0")], False),
        ([(b"content-type", b"text/plain")], False),
    ],
)
async def test_a_body_is_streamed_where_a_framing_header_announces_one(headers: HeaderPairs, streamed: bool) -> None:
    seen: list[bytes] = []

    async def handler(request: Request, context: RequestContext) -> Response:
        assert isinstance(request.body, bytes) is not streamed
        seen.append(await request.read())
        return Response()

    upload: list[Message] = [
        {"type": "http.request", "body": b"he", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"llo"},
    ]
    await ask(client("POST", headers=headers, upload=upload), handler)
    assert seen == [b"hello" if streamed else b""]


async def test_an_upload_is_read_as_it_comes_and_not_ahead() -> None:
    asked = uploading(b"one", b"two")

    async def handler(request: Request, context: RequestContext) -> Response:
        stream = request.stream()
        assert await anext(stream) == b"one"
        assert len(asked.messages) == 2
        return Response.text(str([chunk async for chunk in stream]))

    assert (await ask(asked, handler)).body == b"[b'two']"


async def test_a_client_that_pauses_in_its_body_for_too_long_is_a_request_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asgi, "BODY_IDLE_TIMEOUT", 0.01)
    asked = uploading(b"one")
    asked.messages.pop()

    async def handler(request: Request, context: RequestContext) -> Response:
        with pytest.raises(RequestTimeout, match="paused"):
            await request.read()
        return Response(408)

    assert (await ask(asked, handler)).status == 408


# The head.


@with_and_without_the_extension
@pytest.mark.parametrize(
    "headers",
    [{}, {"content-length": "3"}, {"content-length": "999"}, [("content-length", "3"), ("content-length", "3")]],
)
async def test_a_complete_body_gets_its_true_length_once(headers: Any, kind: str) -> None:
    asked = client()
    home(asked, kind)
    await ask(asked, Response(200, headers, b"abc"))
    assert (asked.values(b"content-length"), asked.body, asked.ended) == ([b"3"], b"abc", True)


@with_and_without_the_extension
async def test_an_empty_body_has_length_0(kind: str) -> None:
    asked = client()
    home(asked, kind)
    await ask(asked, Response(200))
    assert (asked.values(b"content-length"), asked.body, asked.ended) == ([b"0"], b"", True)


async def test_a_streamed_body_keeps_the_length_its_service_stated_and_gets_none_of_its_own() -> None:
    assert (await ask(client(), Response(200, {}, Body(b"a")))).values(b"content-length") == []
    stated = await ask(client(), Response(200, {"content-length": "1"}, Body(b"a")))
    assert stated.values(b"content-length") == [b"1"]


@with_and_without_the_extension
@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("stream", [False, True])
async def test_204_and_304_have_neither_length_nor_body(status: int, stream: bool, kind: str) -> None:
    asked = client()
    home(asked, kind)
    await ask(asked, Response(status, {"content-length": "3", "etag": '"1"'}, Body(b"abc") if stream else b"abc"))
    assert (asked.status, asked.values(b"content-length"), asked.body, asked.ended) == (status, [], b"", True)
    assert asked.values(b"etag") == [b'"1"']


@with_and_without_the_extension
@pytest.mark.parametrize("stream", [False, True])
async def test_head_keeps_the_length_a_get_would_have_and_sends_no_body(stream: bool, kind: str) -> None:
    asked = client("HEAD")
    home(asked, kind)
    await ask(asked, Response(200, {"content-length": "3"}, Body(b"abc") if stream else b""))
    assert (asked.values(b"content-length"), asked.body, asked.ended) == ([b"3"], b"", True)


@with_and_without_the_extension
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_answer_that_has_no_body_is_complete_and_closed(method: str, kind: str) -> None:
    response = Response(200 if method == "HEAD" else 204, {}, Body(b"abc"))
    calls: list[bool] = []
    response.on_close(lambda: calls.append(response.complete))
    asked = client(method)
    home(asked, kind)
    await ask(asked, response)
    assert calls == [True]


async def test_a_head_request_does_not_pull_an_endless_stream() -> None:
    body = Body(b"tick", then=forever)
    async with asyncio.timeout(1):
        asked = await ask(client("HEAD"), Response(200, {}, body))
    assert (asked.body, asked.ended, body.closed) == (b"", True, 1)


@with_and_without_the_extension
async def test_a_date_is_added_where_there_is_none(kind: str) -> None:
    asked = client()
    home(asked, kind)
    assert (await ask(asked, Response())).values(b"date") == [b"Thu, 01 Jan 1970 00:00:00 GMT"]
    dated = await ask(client(), Response(200, {"Date": "Fri, 02 Jan 1970 00:00:00 GMT"}))
    assert dated.values(b"date") == [b"Fri, 02 Jan 1970 00:00:00 GMT"]


async def test_the_date_follows_the_clock() -> None:
    async def handler(request: Request, context: RequestContext) -> Response:
        return Response()

    app, clock = application(handler, wall=1_000_000_000.9)
    dates = []
    for step in (0.0, 0.05, 1.0):
        clock.advance(step)
        asked = client()
        await app(asked.scope, asked.receive, asked.send)
        dates += asked.values(b"date")
    assert [date[-12:] for date in dates] == [b"01:46:40 GMT", b"01:46:40 GMT", b"01:46:41 GMT"]


@with_and_without_the_extension
async def test_headers_of_the_response_object_itself_are_left_as_they_are(kind: str) -> None:
    response = Response(200, {"content-length": "9", "x-a": "1"}, b"abc")
    asked = client()
    home(asked, kind)
    await ask(asked, response)
    assert response.headers.pairs == [(b"content-length", b"9"), (b"x-a", b"1")]
    assert asked.values(b"x-a") == [b"1"]


@with_and_without_the_extension
async def test_an_answer_before_the_end_of_the_upload_closes_the_connection_afterwards(kind: str) -> None:
    async def refuse(request: Request, context: RequestContext) -> Response:
        return Response(413, body=b"too much")

    asked = uploading(b"one", b"two")
    connection = home(asked, kind)
    await ask(asked, refuse)
    assert (asked.status, asked.values(b"connection"), asked.body, asked.ended) == (413, [b"close"], b"too much", True)
    assert connection is None or (connection.lingers, connection.aborted) == (1, 0)


@with_and_without_the_extension
async def test_an_answer_after_the_whole_upload_keeps_the_connection(kind: str) -> None:
    async def handler(request: Request, context: RequestContext) -> Response:
        await request.read()
        return Response()

    asked = uploading(b"one")
    connection = home(asked, kind)
    await ask(asked, handler)
    assert asked.values(b"connection") == []
    assert connection is None or (connection.lingers, connection.aborted) == (0, 0)


# The body.


@with_and_without_the_extension
async def test_chunks_pass_one_by_one_and_the_response_is_closed_once_at_the_end(kind: str) -> None:
    body = Body(b"a", b"b")
    response = Response(200, {}, body)
    calls: list[str] = []
    response.on_close(lambda: calls.append("closed"))
    asked = client()
    home(asked, kind)
    await ask(asked, response)
    assert [message.get("body") for message in asked.sent[1:]] == [b"a", b"b", b""]
    assert (asked.ended, body.closed, calls, response.bytes_sent, response.complete) == (True, 1, ["closed"], 2, True)


@with_and_without_the_extension
async def test_a_complete_response_is_counted_and_closed_too(kind: str) -> None:
    response = Response(200, {}, b"abc")
    calls: list[tuple[int, bool]] = []
    response.on_close(lambda: calls.append((response.bytes_sent, response.complete)))
    asked = client()
    home(asked, kind)
    await ask(asked, response)
    assert calls == [(3, True)]


async def test_a_chunk_is_sent_before_the_next_one_is_asked_for() -> None:
    asked = client()
    seen: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in (b"a", b"b"):
            seen.append(len(asked.sent))
            yield chunk

    await ask(asked, Response(200, {}, body()))
    assert seen == [1, 2]


async def test_a_body_that_fails_midway_cuts_the_connection_and_never_ends_as_if_complete() -> None:
    body = Body(b"half", then=cut)
    response = Response(200, {}, body)
    asked = client()
    connection = extended(asked)
    await ask(asked, response)
    assert (asked.body, asked.ended, connection.aborted, body.closed) == (b"half", False, 1, 1)
    assert (response.complete, type(response.failure)) == (False, UpstreamReset)


async def test_a_plain_server_learns_of_the_cut_by_an_exception() -> None:
    body = Body(b"half", then=cut)
    asked = client()
    with pytest.raises(Exception):  # noqa: B017, PT011  # any will do: the server closes the connection
        await ask(asked, Response(200, {}, body))
    assert (asked.body, asked.ended, body.closed) == (b"half", False, 1)


async def test_a_body_that_fails_at_once_is_cut_too() -> None:
    asked = client()
    connection = extended(asked)
    await ask(asked, Response(200, {}, Body(then=cut)))
    assert (asked.ended, connection.aborted) == (False, 1)


async def test_a_send_that_fails_closes_the_response() -> None:
    body = Body(b"a")
    asked = client()
    connection = extended(asked)

    async def send(message: Message) -> None:
        raise OSError("the server has no connection any more")

    app, _ = application(_constant(Response(200, {}, body)))
    await app(asked.scope, asked.receive, send)
    assert (connection.aborted, body.closed) == (1, 1)


def _constant(response: Response) -> Handler:
    async def handler(request: Request, context: RequestContext) -> Response:
        return response

    return handler


# A client that leaves.


@with_and_without_the_extension
async def test_a_client_that_leaves_cancels_the_handler(kind: str) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, context: RequestContext) -> Response:
        started.set()
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    asked = client()
    connection = home(asked, kind)
    serving = asyncio.create_task(ask(asked, handler))
    await started.wait()
    _leave(asked, connection)
    await serving
    assert cancelled.is_set()
    assert asked.sent == []


@with_and_without_the_extension
async def test_a_client_that_leaves_during_the_body_closes_the_response(kind: str) -> None:
    body = Body(b"tick", then=forever)
    response = Response(200, {}, body)
    calls: list[str] = []
    response.on_close(lambda: calls.append("freed"))
    asked = client()
    connection = home(asked, kind)
    serving = asyncio.create_task(ask(asked, response))
    await asked.first_bytes.wait()
    _leave(asked, connection)
    await serving
    assert (asked.body, asked.ended, body.closed, calls) == (b"tick", False, 1, ["freed"])
    assert response.complete is False


def _leave(client: Client, connection: Connection | None) -> None:
    client.left.set()
    if connection is not None:
        assert connection.disconnected is not None
        connection.disconnected()


@with_and_without_the_extension
async def test_a_client_that_leaves_during_its_upload_is_told_to_the_reader_and_to_nobody_else(kind: str) -> None:
    seen: list[type[BaseException]] = []

    async def handler(request: Request, context: RequestContext) -> Response:
        try:
            await request.read()
        except BaseException as error:
            seen.append(type(error))
            raise
        raise AssertionError

    asked = uploading(b"one", then=DISCONNECT)
    home(asked, kind)
    await ask(asked, handler)
    assert (seen, asked.sent) == ([ClientDisconnected], [])


async def test_a_handler_is_cancelled_when_the_server_gives_up_waiting() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, context: RequestContext) -> Response:
        started.set()
        try:
            await forever()
        finally:
            cancelled.set()
        raise AssertionError

    asked = client()
    connection = extended(asked)
    serving = asyncio.create_task(ask(asked, handler))
    await started.wait()
    serving.cancel()
    await asyncio.wait([serving])
    assert cancelled.is_set()
    assert (asked.sent, connection.aborted) == ([], 1)


async def test_no_task_is_left_behind() -> None:
    before = asyncio.all_tasks()
    await ask(client(), Response())
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=1)
    assert asyncio.all_tasks() == before


# Other scopes.


async def test_the_lifespan_opens_and_closes_the_resources() -> None:
    notes: list[str] = []

    class Resources:
        async def __aenter__(self) -> None:
            notes.append("open")

        async def __aexit__(self, *exception: object) -> None:
            notes.append("close")

    app = AsgiApplication(_constant(Response()), ManualClock(), Resources())
    messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        message = messages.pop(0)
        notes.append(message["type"])
        return message

    async def send(message: Message) -> None:
        notes.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert notes == [
        "lifespan.startup",
        "open",
        "lifespan.startup.complete",
        "lifespan.shutdown",
        "close",
        "lifespan.shutdown.complete",
    ]


async def test_a_websocket_is_refused() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    app, _ = application(_constant(Response()))
    await app({"type": "websocket"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
