"""The stream between a connection and whoever reads: exact, bounded, and never silently short."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.transport.http1.response_body import HIGH_WATER, ResponseBody


class Source:
    """Stands for the connection."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def resume_body(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")


async def test_chunks_come_in_order_then_the_end() -> None:
    body = ResponseBody(Source(), b"a")
    body.feed(b"b")
    body.end()
    assert [chunk async for chunk in body] == [b"a", b"b"]


async def test_an_empty_beginning_is_no_chunk() -> None:
    body = ResponseBody(Source(), b"")
    body.end()
    assert [chunk async for chunk in body] == []


async def test_an_error_comes_after_what_had_arrived_and_stays() -> None:
    body = ResponseBody(Source(), b"a")
    body.end(UpstreamReset("cut"))
    body.end()
    assert await anext(body) == b"a"
    for _ in range(2):
        with pytest.raises(UpstreamReset, match="cut"):
            await anext(body)


async def test_a_waiting_reader_is_woken_by_a_chunk_and_by_the_end() -> None:
    body = ResponseBody(Source(), b"")
    reader = asyncio.create_task(anext(body))
    await asyncio.sleep(0)
    body.feed(b"a")
    body.feed(b"b")
    assert await reader == b"a"
    assert await anext(body) == b"b"
    reader = asyncio.create_task(anext(body))
    await asyncio.sleep(0)
    body.end()
    with pytest.raises(StopAsyncIteration):
        await body.__anext__()
    reader.cancel()


async def test_a_full_body_asks_to_stop_and_resumes_once_when_the_reader_has_caught_up() -> None:
    source = Source()
    body = ResponseBody(source, b"")
    half = bytes(HIGH_WATER // 2)
    assert [body.feed(half), body.feed(half), body.feed(b"x"), body.feed(half)] == [False, False, True, True]
    await anext(body)
    assert source.calls == []
    await anext(body)
    assert source.calls == ["resume"]
    await anext(body)
    assert source.calls == ["resume"]


async def test_a_reader_that_was_cancelled_loses_nothing() -> None:
    body = ResponseBody(Source(), b"")
    reader = asyncio.create_task(anext(body))
    await asyncio.sleep(0)
    body.feed(b"a")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await anext(body) == b"a"


async def test_closing_before_the_end_closes_the_connection() -> None:
    source = Source()
    await ResponseBody(source, b"a").aclose()
    assert source.calls == ["abort"]


async def test_closing_after_the_end_leaves_the_connection_alone() -> None:
    source = Source()
    body = ResponseBody(source, b"a")
    body.end()
    await body.aclose()
    assert source.calls == []


async def test_reading_on_after_an_early_close_is_an_error_and_not_a_clean_end() -> None:
    body = ResponseBody(Source(), b"a")
    body.feed(b"b")
    body.end()
    assert await anext(body) == b"a"
    await body.aclose()
    with pytest.raises(UpstreamReset):
        await anext(body)
