"""In flight: how many requests a service works on at once behind a limit, while it becomes slow.

Rule: a request that is admitted is in flight for as long as the service takes at the moment when it comes. A
`Concurrency` limit gets its place back then; a limit per time does not care.

Little's law says what to expect: in flight = rate of admission * time of service.

What it does not do: slow the service down under load, or give up waiting. Both make it worse.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from api_gateway.plotting.style import ADMITTED, TRIGGER, Picture, new_figure
from api_gateway.rate_limiting import Concurrency, RateLimiter
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS


class Service(NamedTuple):
    """What a service behind a limit went through. Times are nanoseconds."""

    admitted: tuple[int, ...]
    finished: tuple[int, ...]
    """In order."""

    def in_flight(self, now: int) -> int:
        """How many requests it works on at `now`."""
        return bisect_right(self.admitted, now) - bisect_right(self.finished, now)

    @property
    def most_in_flight(self) -> int:
        """At any time."""
        return max((self.in_flight(now) for now in self.admitted), default=0)

    def rate(self, start: float, end: float) -> float:
        """Admitted per second between two seconds."""
        times = (round(start * NANOSECONDS), round(end * NANOSECONDS))
        return sum(times[0] <= now < times[1] for now in self.admitted) / (end - start)


def serve(limiter: RateLimiter, arrivals: Sequence[int], seconds_at: Callable[[float], float]) -> Service:
    """Send `arrivals` through `limiter` to a service that takes `seconds_at(second)` for what comes then."""
    running: list[int] = []
    admitted, finished = [], []
    for now in arrivals:
        while running and running[0] <= now:
            heappop(running)
            if isinstance(limiter, Concurrency):
                limiter.release("client")
        if limiter.acquire("client", now).allowed:
            admitted.append(now)
            end = now + round(seconds_at(now / NANOSECONDS) * NANOSECONDS)
            finished.append(end)
            heappush(running, end)
    return Service(tuple(admitted), tuple(sorted(finished)))


def in_flight_over_time(
    services: Mapping[str, Service], slow: tuple[float, float], headline: str
) -> tuple[Picture, dict[str, int]]:
    """Draw how many are in flight, a panel each, and give the most; `slow` are the seconds of the trigger."""
    figure, panels = new_figure(headline, columns=len(services), width=9, height=3.6)
    for axes, (name, service) in zip(panels, services.items(), strict=True):
        axes.axvspan(*slow, color=TRIGGER, linewidth=0, zorder=0)
        times = sorted({0, *service.admitted, *service.finished})
        seconds = [now / NANOSECONDS for now in times]
        axes.step(seconds, [service.in_flight(now) for now in times], where="post", color=ADMITTED)
        axes.set_title(name)
        axes.set_xlabel("time, seconds")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    most = max(service.most_in_flight for service in services.values())
    panels[0].set_ylim(0, 1.2 * most)
    panels[0].set_ylabel("requests in flight")
    panels[0].annotate("the service is slow", (sum(slow) / 2, 1.17 * most), ha="center", va="top")
    return figure, {name: service.most_in_flight for name, service in services.items()}
