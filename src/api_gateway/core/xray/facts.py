"""Facts: what a part of the gateway tells of itself, so that a person can follow its decision.

Rule: a layer, a balancer or a service may say by what it decides (`state_for`). It is asked only when somebody looks
at a request (`recorder.py`), before it decides and after, and must change nothing by being asked. A fact is
something that JSON can hold; durations are texts with their unit. Never a credential.

What it does not do: decide. A part without `state_for` works all the same, and shows what it changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

Fact: TypeAlias = str | int | float | bool | Sequence["Fact"] | Mapping[str, "Fact"] | None
"""What JSON can hold."""

Facts: TypeAlias = Mapping[str, Fact]
"""Facts by what they are about."""


@runtime_checkable
class Explainable(Protocol):
    """What can say by what it decides."""

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The state by which it would decide about `request` now. Asking changes nothing."""
        ...


def duration(nanoseconds: float) -> str:
    """A duration for people: `3 s`, `41.2 ms`, `7 us`."""
    for unit, size in (("s", NANOSECONDS), ("ms", 1_000_000), ("us", 1_000)):
        if abs(nanoseconds) >= size:
            value = nanoseconds / size
            return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
    return f"{nanoseconds:.0f} ns" if nanoseconds else "0"
