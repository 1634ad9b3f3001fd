"""Traffic: who asks when. Open loop and closed loop, which answer different questions.

An *open* loop is the internet: requests come at a rate, whether or not the earlier ones were answered, so
overload has no bound. A *closed* loop is a fixed number of users, each of whom waits for the answer,
thinks, and asks again: if the system slows down they ask less. Measuring with a closed loop what an open
one will do hides the worst latencies ("coordinated omission": G. Tene, 2013).

The rate of an open loop is a function of time:

    Steady(100)                      100 a second, for ever
    Step(100, 300, at=60)            and 300 from 60 s on
    Ramp(0, 500, start=0, end=60)    ever more
    Spike(100, 1000, start=60, end=70)

Rule: arrivals are a Poisson process with that rate: drawn at the highest rate, and each kept with
probability rate / highest ("thinning": Lewis and Shedler, 1979). The same seed gives the same arrivals.

What it does not do: send. It calls what it is given, one task for each request, and waits for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeAlias

from api_gateway.simulation.service_time import ServiceTime

Send: TypeAlias = Callable[[], Awaitable[object]]
"""Sends one request and waits for its answer."""


class Rate(Protocol):
    """Requests a second, over time."""

    @property
    def highest(self) -> float:
        """No moment has a higher rate."""
        ...

    def at(self, time: float) -> float:
        """The rate `time` seconds after the traffic began."""
        ...


@dataclass(frozen=True, slots=True)
class Steady:
    """Always the same."""

    rate: float

    @property
    def highest(self) -> float:
        """See `Rate`."""
        return self.rate

    def at(self, time: float) -> float:
        """See `Rate`."""
        return self.rate


@dataclass(frozen=True, slots=True)
class Spike:
    """`rate`, but `peak` from `start` to `end`."""

    rate: float
    peak: float
    start: float
    end: float

    @property
    def highest(self) -> float:
        """See `Rate`."""
        return max(self.rate, self.peak)

    def at(self, time: float) -> float:
        """See `Rate`."""
        return self.peak if self.start <= time < self.end else self.rate


class Step(Spike):
    """`rate`, and `peak` from a moment on."""

    __slots__ = ()

    def __init__(self, rate: float, peak: float, at: float) -> None:
        """`at` in seconds."""
        super().__init__(rate, peak, at, float("inf"))


@dataclass(frozen=True, slots=True)
class Ramp:
    """From `first` to `last` in a straight line between `start` and `end`."""

    first: float
    last: float
    start: float
    end: float

    @property
    def highest(self) -> float:
        """See `Rate`."""
        return max(self.first, self.last)

    def at(self, time: float) -> float:
        """See `Rate`."""
        share = min(1.0, max(0.0, (time - self.start) / (self.end - self.start)))
        return self.first + (self.last - self.first) * share


def arrivals(rate: Rate, seconds: float, random: Random) -> Iterator[float]:
    """The times of the requests of an open loop, in seconds from its beginning."""
    highest = rate.highest
    time = random.expovariate(highest)
    while time < seconds:
        if random.random() * highest < rate.at(time):
            yield time
        time += random.expovariate(highest)


async def open_loop(rate: Rate, seconds: float, send: Send, random: Random) -> None:
    """Send at `rate` for so many seconds, then wait for the answers that are still missing.

    An error of `send` ends it, and is raised.
    """
    await _OpenLoop(arrivals(rate, seconds, random), send).run()


class _OpenLoop:
    """A timer for the next request sets the one after it; a task that slept in between would cost a tenth of it all."""

    def __init__(self, times: Iterator[float], send: Send) -> None:
        self._times = times
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._begin = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0
        self._missing: dict[int, asyncio.Task[None]] = {}
        self._ended = self._loop.create_future()

    async def run(self) -> None:
        self._set_timer()
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            missing = list(self._missing.values())
            for task in missing:
                task.cancel()
            if missing:
                await asyncio.wait(missing)

    def _set_timer(self) -> None:
        time = next(self._times, None)
        self._timer = None if time is None else self._loop.call_at(self._begin + time, self._arrive)
        self._end_if_all_is_answered()

    def _arrive(self) -> None:
        self._sent += 1
        self._missing[self._sent] = self._loop.create_task(self._call(self._sent))
        self._set_timer()

    async def _call(self, number: int) -> None:
        try:
            await self._send()
        except Exception as error:
            if not self._ended.done():
                self._ended.set_exception(error)
        finally:
            del self._missing[number]
            self._end_if_all_is_answered()

    def _end_if_all_is_answered(self) -> None:
        if self._timer is None and not self._missing and not self._ended.done():
            self._ended.set_result(None)


async def closed_loop(users: int, think: ServiceTime, seconds: float, send: Send, random: Random) -> None:
    """Let `users` think, send, wait for the answer and think again, for so many seconds."""
    end = asyncio.get_running_loop().time() + seconds

    async def user() -> None:
        while True:
            await asyncio.sleep(think.draw(random))
            if asyncio.get_running_loop().time() >= end:
                return
            await send()

    async with asyncio.TaskGroup() as group:
        for _ in range(users):
            group.create_task(user())
