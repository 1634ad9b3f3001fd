"""Faults: what is wrong with a service, and when.

    Fault("slow", start=60, end=70, factor=10)     it works at a tenth of its speed
    Fault("refuse", start=60, end=70)              its port is closed
    Fault("hang", start=60, end=70)                it takes requests and never answers them
    Fault("reset", start=60, end=70)               its answers break off in the middle
    Fault("refuse", 60, 70, period=2)              it flaps: 1 s down, 1 s up, again and again

Rule: a fault is active at t if start <= t < end, and, if it flaps, in the first half of each period.
Of several, the first active one of the list holds. A request meets the fault that is active when it
arrives; being slow, the one that is active when its service begins.

What it does not do: act. The fake service asks, and acts (`fake_service.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

FaultKind: TypeAlias = Literal["slow", "refuse", "hang", "reset"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, from `start` to before `end`, in seconds of the event loop's time."""

    kind: FaultKind
    start: float
    end: float = math.inf
    factor: float = 1.0
    """How many times as long everything takes; of meaning to `slow` only."""
    period: float = math.inf
    """Seconds from one failure to the next, if it flaps."""

    def __post_init__(self) -> None:
        if self.kind not in ("slow", "refuse", "hang", "reset"):
            raise ValueError(f"there is no fault {self.kind!r}: write slow, refuse, hang or reset")
        if not self.start < self.end:
            raise ValueError(f"a fault must end after it starts: {self.start} to {self.end}")
        if self.factor <= 0 or self.period <= 0:
            raise ValueError("factor and period of a fault must be positive")

    def active(self, now: float) -> bool:
        """Whether it is there at `now`."""
        return self.start <= now < self.end and (now - self.start) % self.period < self.period / 2


def active_fault(faults: Sequence[Fault], now: float, *kinds: FaultKind) -> Fault | None:
    """The first of `faults` that is active and of one of these kinds."""
    for fault in faults:
        if fault.kind in kinds and fault.active(now):
            return fault
    return None
