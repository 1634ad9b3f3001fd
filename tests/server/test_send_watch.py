"""A client that takes nothing is cut, a slow one is not."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway.server.send_watch import SendWatch

SECONDS = 0.01


class Buffer(asyncio.Transport):
    """A transport that reports the sizes it is told, one at each look."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self._sizes = list(sizes)
        self.aborted = asyncio.get_running_loop().create_future()
        self.closing = False

    def get_write_buffer_size(self) -> int:
        return self._sizes.pop(0) if len(self._sizes) > 1 else self._sizes[0]

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted.set_result(list(self._sizes))


def watch(transport: Buffer) -> SendWatch:
    return SendWatch(transport, asyncio.get_running_loop(), SECONDS)


async def test_a_buffer_that_does_not_shrink_is_cut() -> None:
    transport = Buffer(100)
    watch(transport).start()
    async with asyncio.timeout(2):
        await transport.aborted


async def test_a_buffer_that_shrinks_is_left_alone_until_it_stands_still() -> None:
    transport = Buffer(100, 99, 99, 50, 50, 1, 1, 1)
    watch(transport).start()
    async with asyncio.timeout(2):
        assert await transport.aborted == [1], "each size was seen"


async def test_a_watch_that_is_stopped_cuts_nothing() -> None:
    transport = Buffer(100)
    watched = watch(transport)
    watched.start()
    watched.stop()
    later = watch(Buffer(100))
    later.start()
    await asyncio.sleep(SECONDS * 3)
    assert not transport.aborted.done()


@pytest.mark.parametrize("unsent", [0, 100])
async def test_closing_waits_for_what_is_unsent_and_not_for_ever(unsent: int) -> None:
    transport = Buffer(unsent)
    watched = watch(transport)
    watched.close()
    assert transport.closing
    await asyncio.sleep(SECONDS * 3)
    assert transport.aborted.done() == bool(unsent)
