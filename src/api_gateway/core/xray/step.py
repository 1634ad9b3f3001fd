"""Step: one decision about a request, and the steps inside it.

Rule: a step for each layer, for the router, and for each time that a service was asked; what a step passed on to are
its inner steps, in order. A retry has several; a layer that answered itself has none.

What it does not do: record (`recorder.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api_gateway.core.xray.facts import Fact, Facts


@dataclass(frozen=True, slots=True)
class Step:
    """One decision."""

    name: str
    """Who decided, in words: `rate limit`, `backend service orders`."""
    about: str
    """What that does: the headline of its documentation."""
    began: int
    """Nanoseconds from the beginning of the first step."""
    duration: int
    """Nanoseconds until it had the head of an answer, the inner steps included."""
    outcome: str
    """What it did: `passed on`, `answered 404`, `raised RateLimited: ...`."""
    before: Facts
    """The state that it decided by."""
    after: Facts
    """Of that state, what had changed when it was done."""
    found: Facts
    """Facts about the request that it found out: what it wrote into the context."""
    request: Facts
    """What it changed in the request that it passed on."""
    response: Facts
    """What it changed in the response that it was given."""
    inner: tuple[Step, ...]
    status: int | None = None
    """Of the answer that it gave; None if it raised."""
    passed_back: bool = False
    """Whether that answer, or error, is the one that an inner step gave it."""

    @property
    def own(self) -> int:
        """Nanoseconds that it took itself: those in which none of its inner steps ran."""
        return sum(end - start for start, end in self.own_times())

    def own_times(self) -> Iterator[tuple[int, int]]:
        """From when to when it worked or waited itself, in nanoseconds since the first step began."""
        at, end = self.began, self.began + self.duration
        for step in sorted(self.inner, key=lambda step: step.began):
            if step.began > at:
                yield at, min(step.began, end)
            at = max(at, step.began + step.duration)
        if end > at:
            yield at, end

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Step]]:
        """This step and all inside, each before its own inner steps, with how deep it lies."""
        yield depth, self
        for step in self.inner:
            yield from step.walk(depth + 1)

    def as_data(self) -> dict[str, Fact]:
        """The step as JSON can hold it."""
        return {
            "name": self.name,
            "about": self.about,
            "began": self.began,
            "duration": self.duration,
            "status": self.status,
            "passed_back": self.passed_back,
            "outcome": self.outcome,
            "before": self.before,
            "after": self.after,
            "found": self.found,
            "request": self.request,
            "response": self.response,
            "inner": [step.as_data() for step in self.inner],
        }
