"""Open loop: requests on a fixed schedule, whether or not earlier ones have been answered.

    python -m benchmarks.open_loop URL RATE SECONDS CONNECTIONS

Rule: request i is due at `start + i / rate`, and its latency counts from *then*, not from when it
was sent. A server that stalls for a second makes ten thousand requests late, and all of them show;
a closed-loop generator such as wrk would send 32, wait, and show 32. (This omission is called
coordinated omission.) A request that is due while all connections are busy waits for one, and
its wait counts.

Bound: what is due is sent once a millisecond, so up to 1 ms of a latency, and whatever the
generator itself is late by (`sent_late_p99`, measured), is the generator's own. Latencies are
therefore upper bounds.

What it does not do: read anything but counted bodies, or go faster than Python does. Measured
against the origin alone it shows its own floor.

Source: Gil Tene, "How NOT to Measure Latency"; Schroeder, Wierman, Harchol-Balter, "Open Versus
Closed: A Cautionary Tale", NSDI 2006.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast
from urllib.parse import urlsplit

from benchmarks import event_loop

TICK = 0.001
"""Seconds between two looks at what is due."""
GRACE = 5.0
"""Seconds after the last request for the answers still under way."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """One measurement at a constant rate. Times in seconds."""

    rate: float
    """Good answers a second, over the time from the first request to the last answer."""
    p50: float
    p99: float
    p999: float
    longest: float
    requests: int
    errors: int
    """Answers other than 200, connections lost, and requests never answered."""
    sent_late_p99: float
    """How late requests were sent for which a connection was free: the generator's own share."""


class Generator:
    """The schedule, and the connections that keep it."""

    def __init__(self, url: str, rate: float, seconds: float) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self._rate = rate
        self._total = int(rate * seconds)
        self._sent = 0
        self._waiting: deque[float] = deque()
        self._idle: deque[Connection] = deque()
        self._latencies = array("d")
        self._late = array("d")
        self._errors = 0
        self._finished = asyncio.Event()

    async def run(self, connections: int) -> OpenLoad:
        """Connect, keep the schedule to its end, and say what was seen."""
        loop = asyncio.get_running_loop()
        opened = [await loop.create_connection(lambda: Connection(self), *self._address) for _ in range(connections)]
        started = time.perf_counter()
        self._tick(loop, started)
        try:
            async with asyncio.timeout(self._total / self._rate + GRACE):
                await self._finished.wait()
        except TimeoutError:
            self._errors += self._total - len(self._latencies) - self._errors
        took = time.perf_counter() - started
        for transport, connection in opened:
            connection.closing = True
            transport.close()
        await asyncio.sleep(0)  # a turn of the loop, in which the sockets are closed
        return self._summary(took)

    def _tick(self, loop: asyncio.AbstractEventLoop, started: float) -> None:
        due = min(self._total, int((time.perf_counter() - started) * self._rate) + 1)
        for number in range(self._sent, due):
            intended = started + number / self._rate
            if self._idle:
                self._late.append(time.perf_counter() - intended)
                self._idle.popleft().send(intended)
            else:
                self._waiting.append(intended)
        self._sent = due
        if due < self._total:
            loop.call_later(TICK, self._tick, loop, started)

    def ready(self, connection: Connection) -> None:
        """A connection has nothing to do."""
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def answered(self, latency: float, good: bool) -> None:
        """One request is over; `latency` in seconds from when it was due."""
        if good:
            self._latencies.append(latency)
        else:
            self._errors += 1
        if len(self._latencies) + self._errors >= self._total:
            self._finished.set()

    def lost(self, connection: Connection) -> None:
        """A connection has gone, and what was asked on it."""
        if connection.busy:
            self.answered(0.0, good=False)
        elif connection in self._idle:
            self._idle.remove(connection)

    def _summary(self, took: float) -> OpenLoad:
        latencies = sorted(self._latencies)
        return OpenLoad(
            rate=len(latencies) / took,
            p50=quantile(latencies, 0.5),
            p99=quantile(latencies, 0.99),
            p999=quantile(latencies, 0.999),
            longest=latencies[-1] if latencies else float("inf"),
            requests=self._total,
            errors=self._errors,
            sent_late_p99=quantile(sorted(self._late), 0.99),
        )


class Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._received = b""
        self._intended = 0.0
        self.busy = False
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._generator.ready(self)

    def send(self, intended: float) -> None:
        self.busy = True
        self._intended = intended
        self._transport.write(self._generator.request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        complete = answer_is_complete(received)
        if complete is None or (complete and not self.busy):
            self._transport.abort()
        elif complete:
            self._received = b""
            self.busy = False
            latency = time.perf_counter() - self._intended
            self._generator.answered(latency, received.startswith(b"HTTP/1.1 200 "))
            self._generator.ready(self)
        else:
            self._received = received

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closing:
            self._generator.lost(self)


def answer_is_complete(received: bytes) -> bool | None:
    """Whether these bytes are one whole answer; None if they are anything else than one, or part of one."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(received, 0, end)
    if length is None:
        return None
    missing = end + 4 + int(length.group(1)) - len(received)
    return missing == 0 if missing >= 0 else None


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed; infinite if there are none."""
    if not ascending:
        return float("inf")
    return ascending[max(0, -int(-share * len(ascending) // 1) - 1)]


async def _main(url: str, rate: float, seconds: float, connections: int) -> None:
    result = await Generator(url, rate, seconds).run(connections)
    if result.errors == result.requests:
        sys.exit("no request was answered well")
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    event_loop.run(_main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
