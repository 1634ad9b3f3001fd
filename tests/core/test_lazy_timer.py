"""A deadline that moves: never early, not for ever, and cheap for the event loop."""

from __future__ import annotations

import asyncio

from api_gateway.core.lazy_timer import NEVER, LazyTimer


class Alarm:
    """A lazy timer and when it rang."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.rang: asyncio.Future[float] = self.loop.create_future()
        self.timer = LazyTimer(self.loop, lambda: self.rang.set_result(self.loop.time()))


async def test_it_rings_at_its_deadline() -> None:
    alarm = Alarm()
    started = alarm.loop.time()
    alarm.timer.expire_in(0.02)
    assert await alarm.rang - started >= 0.02


async def test_a_deadline_moved_later_does_not_ring_early() -> None:
    alarm = Alarm()
    started = alarm.loop.time()
    alarm.timer.expire_in(0.01)
    alarm.timer.expire_in(0.05)
    assert await alarm.rang - started >= 0.05


async def test_a_deadline_moved_earlier_rings_earlier() -> None:
    alarm = Alarm()
    alarm.timer.expire_in(60)
    alarm.timer.expire_in(0.01)
    async with asyncio.timeout(5):
        await alarm.rang


async def test_a_deadline_moved_away_does_not_ring_until_it_is_set_again() -> None:
    alarm, later = Alarm(), Alarm()
    alarm.timer.expire_in(0.01)
    alarm.timer.expire_in(NEVER)
    later.timer.expire_in(0.03)
    await later.rang
    assert not alarm.rang.done()
    alarm.timer.expire_in(0.01)
    await alarm.rang


async def test_a_cancelled_timer_does_not_ring() -> None:
    alarm, later = Alarm(), Alarm()
    alarm.timer.expire_in(0.01)
    alarm.timer.cancel()
    alarm.timer.cancel()
    later.timer.expire_in(0.03)
    await later.rang
    assert not alarm.rang.done()
