"""XRay: what became of one request, as a tree of steps, as data, and in words.

What it does not do: record (`recorder.py`), or draw (`plotting/xray.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from api_gateway.core.request import Request
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Fact
from api_gateway.core.xray.report import report
from api_gateway.core.xray.step import Step


@dataclass(frozen=True, slots=True)
class XRay:
    """One request, its answer, and how it came to that."""

    request: Request
    response: Response
    """Yours: read or close it, as that of `handle`."""
    first: Step
    """The outermost step; all others are inside."""

    @property
    def steps(self) -> list[Step]:
        """All steps, in the order in which they began to decide."""
        return [step for _, step in self.first.walk()]

    def step(self, name: str) -> Step:
        """The first step of this name.

        Raises:
            LookupError: there is none.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise LookupError(f"no step is called {name!r}; there are {', '.join(step.name for step in self.steps)}")

    def as_data(self) -> dict[str, Fact]:
        """All of it but the body, as JSON can hold it. Times are nanoseconds."""
        return {
            "request": f"{self.request.method} {self.request.target}",
            "status": self.response.status,
            "duration": self.first.duration,
            "first": self.first.as_data(),
        }

    def __str__(self) -> str:
        title = f"{self.request.method} {self.request.target}"
        return report(title, self.response.status, self.first)
