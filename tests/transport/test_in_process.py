"""Services in this very process: Handlers, and ASGI applications that stream both ways."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from api_gateway.core.asgi import Message, Receive, Scope, Send
from api_gateway.core.errors import PayloadTooLarge
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamProtocolError, UpstreamReset
from api_gateway.transport.in_process import AsgiApp, AsgiService, InProcessTransport

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture(autouse=True)
async def _nothing_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    yield
    async with asyncio.timeout(1):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)
    gc.collect(1)
    assert complaints == []


async def ask(app: AsgiApp, method: str = "GET", target: str = "/", body: Body = b"") -> Response:
    request = Request(method, target, {"x-own": "1"}, body)
    return await AsgiService(app)(request, RequestContext(peer_address="192.0.2.1"))


def chunk(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


# Handlers.


async def test_a_handler_is_found_by_its_address() -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        return Response.text(request.path)

    transport = InProcessTransport({"in-process://users": users})
    response = await transport.send("in-process://users", Request("GET", "/1"), RequestContext())
    assert await response.read() == b"/1"
    await transport.close()


async def test_an_unknown_address_fails_to_connect() -> None:
    with pytest.raises(ConnectFailed):
        await InProcessTransport({}).send("in-process://nobody", Request("GET", "/"), RequestContext())


# ASGI: the head.


async def test_an_application_sees_the_request() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send(START)
        await send(chunk(b"", more=False))

    await (await ask(app, "POST", "/a%2Fb/%C3%A9?x=%20")).read()
    assert seen[0]["method"] == "POST"
    assert (seen[0]["path"], seen[0]["raw_path"], seen[0]["query_string"]) == ("/a/b/é", b"/a%2Fb/%C3%A9", b"x=%20")
    assert seen[0]["headers"] == [(b"host", b"in-process"), (b"x-own", b"1")]
    assert seen[0]["client"] == ("192.0.2.1", 0)


async def test_starlette_answers() -> None:
    async def page(request: StarletteRequest) -> StarletteResponse:
        return JSONResponse({"id": request.path_params["id"], "body": (await request.body()).decode()}, 201)

    app = Starlette(routes=[Route("/users/{id}", page, methods=["POST"])])
    response = await ask(app, "POST", "/users/7", b"hello")
    assert response.status == 201
    assert response.header("content-type") == "application/json"
    assert await response.read() == b'{"id":"7","body":"hello"}'


async def test_hop_by_hop_headers_of_an_application_do_not_pass() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"Connection", b"x-private"), (b"X-Private", b"1"), (b"X-Public", b"1")]
        await send({**START, "headers": headers})
        await send(chunk(b"", more=False))

    response = await ask(app)
    assert dict(response.headers) == {"x-public": "1"}
    await response.read()


@pytest.mark.parametrize("value", [b"1\r\ninjected: 1", b"1\n2", b"\x00"])
async def test_headers_that_http_forbids_are_a_protocol_error(value: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"x-reflected", value)]})

    with pytest.raises(UpstreamProtocolError):
        await ask(app)


@pytest.mark.parametrize(
    "message", [chunk(b"body first"), {**START, "status": 99}, {**START, "status": 101}, {**START, "status": 600}]
)
async def test_an_answer_without_a_valid_status_is_a_protocol_error(message: Message) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(message)

    with pytest.raises(UpstreamProtocolError):
        await ask(app)


async def test_an_application_that_raises_before_its_head_is_a_reset() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no such thing")

    with pytest.raises(UpstreamReset, match="no such thing"):
        await ask(app)


async def test_an_application_that_never_answers_is_a_reset() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    with pytest.raises(UpstreamReset):
        await ask(app)


@pytest.mark.parametrize("how", ["raises", "just ends"])
async def test_an_application_that_ends_in_its_body_cuts_the_answer(how: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(chunk(b"half"))
        if how == "raises":
            raise LookupError("lost the rest")

    response = await ask(app)
    chunks = response.stream()
    assert await anext(chunks) == b"half"
    with pytest.raises(UpstreamReset):
        await anext(chunks)
    assert not response.complete


# ASGI: the body.


async def test_an_endless_event_stream_flows_one_by_one_and_ends_when_closed() -> None:
    sent = 0

    async def events() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"data: %d\n\n" % sent

    async def page(request: StarletteRequest) -> StarletteResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    response = await ask(Starlette(routes=[Route("/", page)]))
    chunks = response.stream()
    for number in range(1, 6):
        assert await anext(chunks) == b"data: %d\n\n" % number
        assert sent <= number + 1  # a reader that stops reading stops the application
    await response.close()
    for _ in range(20):
        await asyncio.sleep(0)
    assert sent <= 6


async def test_closing_cancels_the_application_and_its_listeners_see_the_disconnect() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                pass
            seen.append(message["type"])

        listener = asyncio.create_task(listen())
        try:
            await send(START)
            while True:
                await send(chunk(b"more"))
        except asyncio.CancelledError:
            seen.append("cancelled")
            await listener
            raise

    response = await ask(app)
    chunks = response.stream()
    assert await anext(chunks) == b"more"
    await response.close()
    assert seen == ["cancelled", "http.disconnect"]


async def test_an_application_that_ignores_the_cancel_is_stopped_by_its_next_send() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while True:
            with suppress(asyncio.CancelledError):
                await send(chunk(b"more"))

    response = await ask(app)
    async with asyncio.timeout(1):
        await response.close()


async def test_cancelling_the_caller_cancels_the_application() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(ask(app))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


async def test_background_work_runs_on_after_the_answer() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    async def page(request: StarletteRequest) -> StarletteResponse:
        return PlainTextResponse("ok", background=BackgroundTask(work))

    response = await ask(Starlette(routes=[Route("/", page)]))
    assert await response.read() == b"ok"
    assert not done.is_set()
    go.set()
    async with asyncio.timeout(1):
        await done.wait()


async def test_background_work_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    failed = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(chunk(b"ok", more=False))
        failed.set()
        raise LookupError("in the background")

    with caplog.at_level(logging.ERROR, "api_gateway.errors"):
        assert await (await ask(app)).read() == b"ok"
        await failed.wait()
    assert "after its answer" in caplog.text


async def test_sending_on_after_the_end_is_an_error_of_the_application(caplog: pytest.LogCaptureFixture) -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(chunk(b"ok", more=False))
        try:
            await send(chunk(b"and more", more=False))
        except RuntimeError as error:
            told.set_result(str(error))

    assert await (await ask(app)).read() == b"ok"
    assert "after the end" in await told


async def test_closing_the_transport_ends_background_work() -> None:
    working, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(chunk(b"ok", more=False))
        try:
            working.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    transport = InProcessTransport({"in-process://app": AsgiService(app)})
    response = await transport.send("in-process://app", Request("GET", "/"), RequestContext())
    assert await response.read() == b"ok"
    await working.wait()
    await transport.close()
    assert ended.is_set()


# ASGI: the upload.


async def test_an_upload_streams_into_the_application_chunk_by_chunk() -> None:
    read = asyncio.Semaphore(0)

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await read.acquire()
        yield b"two"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while True:
            message = await receive()
            read.release()
            await send(chunk(message["body"], more=message["more_body"]))
            if not message["more_body"]:
                return

    response = await ask(app, "POST", body=body())
    assert [part async for part in response.stream()] == [b"one", b"two"]


@pytest.mark.parametrize("catches", [True, False])
async def test_a_refusal_of_the_upload_wins_over_whatever_the_application_makes_of_it(catches: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"small"
        raise PayloadTooLarge("over the limit")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (await receive())["more_body"]:
                pass
        except Exception:
            if not catches:
                raise
            await send({**START, "status": 500})

    with pytest.raises(PayloadTooLarge):
        await ask(app, "POST", body=body())


async def test_a_refusal_of_the_upload_in_mid_answer_cuts_the_answer() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"small"
        raise PayloadTooLarge("over the limit")

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while True:
            await send(chunk((await receive())["body"]))

    response = await ask(echo, "POST", body=body())
    chunks = response.stream()
    assert await anext(chunks) == b"small"
    with pytest.raises(PayloadTooLarge):
        await anext(chunks)


async def test_a_body_in_memory_is_one_chunk() -> None:
    async def page(request: StarletteRequest) -> StarletteResponse:
        return PlainTextResponse(str([len(part) async for part in request.stream()]))

    response = await ask(Starlette(routes=[Route("/", page, methods=["POST"])]), "POST", body=b"x" * 100)
    assert await response.read() == b"[100, 0]"
