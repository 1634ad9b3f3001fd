"""Certificate: the instant after which nobody can connect any more, and the months in which only the date says so.

TLS ends before the gateway for now (in its balancer), so no socket is opened here: a handshake is the comparison that
decides it, `now < not_after`, with the wall clock of virtual time. All else is dates.

Rule: a certificate is valid for so many days and renewed by a job when fewer than `renew_at` are left. From some day on
the job is broken, and says nothing. With `alarm_at`, somebody looks at the date each day, and repairs the job within
`repair` days when fewer are left.

Rule: a connection that is open stays open, because the certificate is looked at when it is made. So requests do not
fail at once: with lifetimes that are exponential, 1 - exp(-t / mean) of them fail t seconds after the instant.

What it does not do: revoke, or have clients whose clocks are wrong; these fail earlier, and are told so by nobody.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Picture, new_figure
from api_gateway.simulation import VirtualClock, run


class Job(NamedTuple):
    """How a certificate is looked after. All in days."""

    valid: int = 90
    renew_at: int = 30
    breaks: int = 70
    """From this day on the job does nothing."""
    alarm_at: int | None = None
    repair: int = 3


def days_left(job: Job, begin: datetime, days: int) -> list[float]:
    """At each midnight, how many days the certificate is valid from then; negative when it is not any more."""
    not_after = begin + timedelta(days=job.valid)
    repaired: datetime | None = None
    left = []
    for day in range(days):
        now = begin + timedelta(days=day)
        works = day < job.breaks or (repaired is not None and now >= repaired)
        if works and (not_after - now).days < job.renew_at:
            not_after = now + timedelta(days=job.valid)
        remaining = (not_after - now) / timedelta(days=1)
        if job.alarm_at is not None and remaining < job.alarm_at and repaired is None:
            repaired = now + timedelta(days=job.repair)
        left.append(remaining)
    return left


class Minute(NamedTuple):
    """What clients felt, second by second."""

    failed: Sequence[float]
    """The share of the requests that could not be sent."""
    before: int
    """Seconds before the instant at which the first of them was."""


def around_expiry(
    not_after: datetime,
    *,
    clients: int = 300,
    lifetime: float = 60.0,
    before: int = 30,
    seconds: int = 210,
    renewed: bool = False,
    seed: int = 1,
) -> Minute:
    """Clients that send a request a second over connections of this lifetime on average, around the instant."""

    async def main() -> Minute:
        loop, failed = asyncio.get_running_loop(), [0] * seconds
        clock = VirtualClock(loop, (not_after - timedelta(seconds=before)).timestamp())
        end = math.inf if renewed else not_after.timestamp()

        async def client(number: int) -> None:
            random = Random(f"{number} {seed}")
            open_until = random.expovariate(1 / lifetime)
            for second in range(seconds):
                await asyncio.sleep(max(0.0, second + number / clients - loop.time()))
                if loop.time() >= open_until:
                    if clock.wall() >= end:  # the handshake
                        failed[second] += 1
                        continue
                    open_until = loop.time() + random.expovariate(1 / lifetime)

        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(number))
        return Minute([count / clients for count in failed], before)

    return run(main)


def date_and_errors(
    calendars: Mapping[str, Sequence[float]], minutes: Mapping[str, Minute], alarm_at: int, headline: str
) -> tuple[Picture, dict[str, float]]:
    """Draw the days that were left, and what clients felt at the end; give the fewest days left of each."""
    figure, (months, instant) = new_figure(headline, columns=2, width=10, height=4.0, shared=False)
    styles = list(zip(calendars, (REFUSED, ADMITTED), ("--", "-"), strict=True))
    for name, colour, style in styles:
        months.plot(calendars[name], color=colour, linestyle=style)
        left = calendars[name]
        low = next((day for day, days in enumerate(left) if days <= 0), left.index(min(left)))
        months.annotate(
            f"{name}: {left[low]:.0f} days left" if left[low] > 0 else f"{name}: expired",
            (low, left[low]),
            xytext=(9, -6 if left[low] > 0 else 5),
            textcoords="offset points",
            va="center" if left[low] > 0 else "bottom",
            color=colour,
        )
    months.axhline(alarm_at, color=CONTEXT, linestyle=":", linewidth=1.4)
    months.annotate(f"alarm below {alarm_at}", (1, alarm_at), xytext=(0, -4), textcoords="offset points", va="top")
    months.set_ylim(0, 95)
    months.set_xlim(0, 1.06 * max(map(len, calendars.values())))
    months.set_title("what the date says")
    months.set_xlabel("time, days")
    months.set_ylabel("days that the certificate is valid")
    _instant(instant, minutes, styles)
    return figure, {name: min(left) for name, left in calendars.items()}


def _instant(axes: Axes, minutes: Mapping[str, Minute], styles: Sequence[tuple[str, str, str]]) -> None:
    for name, colour, style in styles:
        minute = minutes[name]
        times = [second - minute.before for second in range(len(minute.failed))]
        axes.plot(times, [100 * share for share in minute.failed], color=colour, linestyle=style)
        middle = len(times) // 2
        axes.annotate(
            name, (times[middle], 100 * minute.failed[middle]), xytext=(6, 6 if colour == ADMITTED else -10),
            textcoords="offset points", color=colour, va="bottom" if colour == ADMITTED else "top",
        )  # fmt: skip
    axes.axvline(0, color=TRIGGER, linewidth=1.6, zorder=0)
    axes.annotate("not after", (0, 100), xytext=(-4, 0), textcoords="offset points", ha="right", va="top", color=INK)
    axes.set_ylim(0, 104)
    axes.set_title("what clients feel")
    axes.set_xlabel("time from the end of the certificate, seconds")
    axes.set_ylabel("requests that fail, percent")
