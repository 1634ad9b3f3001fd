"""Cache fill: one body for several readers, each at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from api_gateway import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.middleware.cache.background import Background
from api_gateway.middleware.cache.fill import Fill, Reader
from api_gateway.simulation import run


class Shelf:
    """Where bodies go."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.losses: list[bool] = []

    def kept(self, body: bytes) -> None:
        self.bodies.append(body)

    def lost(self, *, too_large: bool) -> None:
        self.losses.append(too_large)


class Case:
    """A fill of `chunks`, one each second."""

    def __init__(self, chunks: Sequence[bytes], limit: int = 100, error: Exception | None = None) -> None:
        self.pulled = 0
        self.closed = 0
        response = Response(200, {}, self._chunks(chunks, error))
        response.on_close(self._close)
        self.shelf = Shelf()
        self.background = Background(1)
        self.fill = Fill(response, limit, self.shelf, self.background.adopt)

    async def _chunks(self, chunks: Sequence[bytes], error: Exception | None) -> AsyncIterator[bytes]:
        for chunk in chunks:
            await asyncio.sleep(1)
            self.pulled += 1
            yield chunk
        if error is not None:
            raise error

    def _close(self) -> None:
        self.closed += 1


async def read(reader: Reader | None, pause: float = 0.0) -> bytes:
    assert reader is not None
    body = b""
    try:
        async for chunk in reader:
            body += chunk
            await asyncio.sleep(pause)
    finally:
        await reader.aclose()
    return body


def test_one_reader_needs_no_task() -> None:
    async def main() -> None:
        case = Case([b"a", b"b"])
        reader = case.fill.reader()
        assert await anext(reader) == b"a"
        assert len(asyncio.all_tasks()) == 1
        assert await read(reader) == b"b"
        assert (case.shelf.bodies, case.shelf.losses, case.closed) == ([b"ab"], [], 1)

    run(main)


def test_a_slow_reader_holds_up_nobody() -> None:
    async def main() -> None:
        case = Case([b"a", b"b", b"c"])
        slow = asyncio.create_task(read(case.fill.reader(), pause=100))
        await asyncio.sleep(1.5)
        assert await read(await case.fill.join()) == b"abc"
        assert asyncio.get_running_loop().time() == 3.5
        assert (case.shelf.bodies, case.closed) == ([b"abc"], 1)
        assert await slow == b"abc"

    run(main)


def test_beyond_the_limit_all_go_at_the_slowest_ones_pace_and_memory_is_bounded() -> None:
    async def main() -> None:
        case = Case([b"x" * 10] * 20, limit=40)
        first = asyncio.create_task(read(case.fill.reader()))
        await asyncio.sleep(0.5)
        joined = await case.fill.join()
        assert joined is not None
        await asyncio.sleep(30)
        assert case.pulled == 5  # what the sluggish one has not taken yet
        assert case.fill.too_large
        assert await case.fill.join() is None
        assert len(await read(joined, pause=0.1)) == 200
        assert len(await first) == 200
        assert (case.shelf.bodies, case.shelf.losses, case.closed) == ([], [True], 1)

    run(main)


def test_a_stalled_reader_that_leaves_lets_the_others_go_on() -> None:
    async def main() -> None:
        case = Case([b"x" * 10] * 20, limit=40)
        first = asyncio.create_task(read(case.fill.reader()))
        await asyncio.sleep(0.5)
        joined = await case.fill.join()
        assert joined is not None
        await asyncio.sleep(30)
        await joined.aclose()
        assert len(await first) == 200
        assert case.closed == 1

    run(main)


def test_whoever_waits_to_join_is_told_when_the_first_leaves() -> None:
    async def main() -> None:
        case = Case([b"a", b"b"])
        first = asyncio.create_task(read(case.fill.reader()))
        await asyncio.sleep(0.5)
        joining = asyncio.create_task(case.fill.join())
        await asyncio.sleep(0.1)
        first.cancel()
        assert await joining is None
        assert (case.shelf.losses, case.closed) == ([False], 1)

    run(main)


def test_whoever_gives_up_joining_leaves_nothing() -> None:
    async def main() -> None:
        case = Case([b"a", b"b"])
        first = asyncio.create_task(read(case.fill.reader()))
        await asyncio.sleep(0.5)
        joining = asyncio.create_task(case.fill.join())
        await asyncio.sleep(0.1)
        joining.cancel()
        assert await first == b"ab"
        assert (case.shelf.bodies, case.closed, len(asyncio.all_tasks())) == ([b"ab"], 1, 1)

    run(main)


def test_when_the_last_of_several_leaves_the_rest_is_abandoned() -> None:
    async def main() -> None:
        case = Case([b"a", b"b", b"c"])
        tasks = [asyncio.create_task(read(case.fill.reader()))]
        await asyncio.sleep(0.5)
        tasks.append(asyncio.create_task(read(await case.fill.join())))
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert (case.shelf.bodies, case.shelf.losses, case.closed, case.pulled) == ([], [False], 1, 1)
        assert len(asyncio.all_tasks()) == 1

    run(main)


def test_a_failure_reaches_every_reader() -> None:
    async def main() -> None:
        case = Case([b"a", b"b"], error=UpstreamReset("gone"))
        tasks = [asyncio.create_task(read(case.fill.reader()))]
        await asyncio.sleep(0.5)
        tasks.append(asyncio.create_task(read(await case.fill.join())))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, UpstreamReset) for result in results)
        assert (case.shelf.bodies, case.shelf.losses, case.closed) == ([], [False], 1)

    run(main)


def test_a_body_that_nobody_begins_to_read_is_closed() -> None:
    async def main() -> None:
        case = Case([b"a"])
        await case.fill.reader().aclose()
        assert (case.shelf.losses, case.closed, case.pulled) == ([False], 1, 0)

    run(main)


def test_closing_the_gateway_ends_a_shared_body_at_any_step() -> None:
    async def main() -> None:
        for steps in range(4):
            case = Case([b"a", b"b"])
            first = case.fill.reader()
            second = await case.fill.join()
            assert second is not None
            for _ in range(steps):
                await asyncio.sleep(0)
            await case.background.close()
            for reader in (first, second):
                with pytest.raises(UpstreamReset):
                    await read(reader)
            assert (case.closed, case.shelf.losses) == (1, [False])
        assert len(asyncio.all_tasks()) == 1

    run(main)
