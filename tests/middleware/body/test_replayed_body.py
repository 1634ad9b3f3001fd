"""Replayed body: whole again, and closed whoever leaves it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from api_gateway.middleware.body.replayed_body import ReplayedBody


class Source:
    def __init__(self) -> None:
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in (b"a", b"b", b"c"):
                yield chunk
        finally:
            self.closed = True


async def begun(read: bytes) -> tuple[ReplayedBody, Source]:
    source = Source()
    rest = source.chunks()
    await anext(rest)
    return ReplayedBody(read, rest), source


async def test_what_was_read_comes_first() -> None:
    body, source = await begun(b"a")
    assert [chunk async for chunk in body] == [b"a", b"b", b"c"]
    assert source.closed


async def test_nothing_read_is_no_chunk() -> None:
    body, _ = await begun(b"")
    assert [chunk async for chunk in body] == [b"b", b"c"]


@pytest.mark.parametrize("chunks", [0, 1, 2])
async def test_the_stream_behind_is_closed_however_far_it_was_read(chunks: int) -> None:
    body, source = await begun(b"a")
    for _ in range(chunks):
        await anext(body)
    await body.aclose()
    await body.aclose()
    assert source.closed
    with pytest.raises(StopAsyncIteration):
        await anext(body)
