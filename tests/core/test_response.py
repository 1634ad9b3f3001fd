"""Response: what it holds is freed once, in order, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from api_gateway.core.response import Response


class Body:
    """A body that notes how it is treated."""

    def __init__(
        self, *chunks: bytes, failure: Exception | None = None, close_failure: Exception | None = None
    ) -> None:
        self.chunks = list(chunks)
        self.failure = failure
        self.close_failure = close_failure
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.chunks:
            return self.chunks.pop(0)
        if self.failure is not None:
            raise self.failure
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1
        if self.close_failure is not None:
            raise self.close_failure


def noted(response: Response) -> list[str]:
    """Callbacks a, b, c in this order; the list they write to."""
    calls: list[str] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    for name in "abc":
        response.on_close(note(name))
    return calls


# Making one.


async def test_json_and_text_state_their_type_and_length() -> None:
    response = Response.json({"é": 1}, 201, {"x-a": "1", "Content-Type": "wrong", "Content-Length": "1"})
    assert (response.status, await response.read()) == (201, '{"é": 1}'.encode())
    assert response.headers.get_all("content-type") == ["application/json"]
    assert response.headers.get_all("content-length") == ["9"]
    assert response.header("X-A") == "1"
    text = Response.text("é")
    assert (text.status, text.body, text.header("content-length")) == (200, "é".encode(), "2")
    assert text.header("content-type") == "text/plain; charset=utf-8"


def test_a_value_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError):
        Response.json(object())


def test_a_repr_shows_status_and_size_but_no_content() -> None:
    assert repr(Response(200, body=b"secret")) == "<Response 200 6 bytes>"
    assert repr(Response(200, body=Body(b"secret"))) == "<Response 200 streamed>"


# Reading.


@pytest.mark.parametrize("body", [b"abc", Body(b"a", b"bc")])
async def test_reading_to_the_end_completes_and_closes(body: bytes | Body) -> None:
    response = Response(body=body)
    calls = noted(response)
    assert await response.read() == b"abc"
    assert (response.bytes_sent, response.complete, response.failure, calls) == (3, True, None, ["c", "b", "a"])


async def test_a_body_of_bytes_reads_twice_and_counts_once() -> None:
    response = Response(body=b"abc")
    assert await response.read() == await response.read() == b"abc"
    assert response.bytes_sent == 3


async def test_a_streamed_body_cannot_be_read_twice_as_if_it_were_empty() -> None:
    response = Response(body=Body(b"abc"))
    await response.read()
    with pytest.raises(RuntimeError, match="its body is gone"):
        await response.read()
    assert (response.bytes_sent, response.complete) == (3, True)


async def test_a_discarded_stream_cannot_be_read_and_is_never_complete() -> None:
    response = Response(body=Body(b"abc"))
    await response.close()
    with pytest.raises(RuntimeError, match="its body is gone"):
        await response.read()
    assert (response.bytes_sent, response.complete) == (0, False)


async def test_a_failing_body_is_recorded_and_closes_and_is_not_complete() -> None:
    failure = ConnectionError("cut")
    body = Body(b"ab", failure=failure)
    response = Response(body=body)
    calls = noted(response)
    with pytest.raises(ConnectionError):
        await response.read()
    assert response.failure is failure
    assert (response.bytes_sent, response.complete, body.closed, calls) == (2, False, 1, ["c", "b", "a"])


async def test_a_reader_that_stops_early_closes_the_response() -> None:
    body = Body(b"a", b"b")
    response = Response(body=body)
    calls = noted(response)
    stream = response.stream()
    assert await anext(stream) == b"a"
    await stream.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
    assert (response.bytes_sent, response.complete, body.closed, calls) == (1, False, 1, ["c", "b", "a"])


async def test_a_cancelled_reader_closes_the_response() -> None:
    waiting, released = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            waiting.set()
            await asyncio.Event().wait()
        finally:
            released.set()

    response = Response(body=endless())
    calls = noted(response)
    reader = asyncio.create_task(response.read())
    await waiting.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert released.is_set()
    assert (response.complete, response.failure, calls) == (False, None, ["c", "b", "a"])


# Closing.


async def test_callbacks_run_last_added_first_and_only_once() -> None:
    response = Response(body=Body(b"a"))
    calls = noted(response)
    await response.close()
    await response.close()
    assert calls == ["c", "b", "a"]


async def test_closing_closes_the_body_once_and_without_reading_it() -> None:
    body = Body(b"a")
    response = Response(body=body)
    await response.close()
    await response.close()
    assert (body.closed, body.chunks) == (1, [b"a"])


async def test_closing_inside_the_stream_closes_the_iterator_that_is_being_read() -> None:
    released: list[str] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            released.append("body")

    class Iterable:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return body()

    response = Response(body=Iterable())
    response.on_close(lambda: released.append("callback"))
    stream = response.stream()
    assert await anext(stream) == b"a"
    await response.close()
    assert released == ["body", "callback"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert released == ["body", "callback"]


async def test_a_response_is_held_while_something_waits_for_it_to_be_closed() -> None:
    assert not Response(body=b"a").held
    streamed, counted = Response(body=Body()), Response(body=b"a")
    counted.on_close(lambda: None)
    assert streamed.held
    assert counted.held
    await streamed.close()
    await counted.close()
    assert not streamed.held
    assert not counted.held


async def test_a_body_that_cannot_be_closed_is_just_dropped() -> None:
    class Iterable:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"a"

    response = Response(body=Iterable())
    calls = noted(response)
    await response.close()
    assert calls == ["c", "b", "a"]


async def test_callbacks_run_even_if_the_body_fails_to_close() -> None:
    response = Response(body=Body(close_failure=OSError("already gone")))
    calls = noted(response)
    with pytest.raises(OSError, match="already gone"):
        await response.close()
    assert calls == ["c", "b", "a"]
    await response.close()
    assert calls == ["c", "b", "a"]


async def test_callbacks_run_even_if_one_of_them_fails() -> None:
    calls: list[str] = []

    def defect() -> None:
        raise LookupError("defect")

    response = Response()
    response.on_close(lambda: calls.append("first"))
    response.on_close(defect)
    response.on_close(lambda: calls.append("last"))
    with pytest.raises(LookupError):
        await response.close()
    assert calls == ["last", "first"]


async def test_a_callback_added_after_closing_runs_at_once() -> None:
    response = Response()
    await response.close()
    assert noted(response) == ["a", "b", "c"]


async def test_a_callback_added_by_a_callback_runs_too() -> None:
    response = Response()
    calls: list[str] = []
    response.on_close(lambda: response.on_close(lambda: calls.append("inner")))
    await response.close()
    assert calls == ["inner"]


async def test_the_body_that_a_middleware_put_in_is_the_one_that_is_closed() -> None:
    inner, outer = Body(b"a"), Body(b"b")
    response = Response(body=inner)
    response.body = outer
    assert await response.read() == b"b"
    assert (inner.closed, outer.closed) == (0, 1)
