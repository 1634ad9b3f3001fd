"""Rows: which steps of an X-ray get a row of their own.

Rule: a layer that decided something has a row. Layers in a line that only passed on share one, which says how many
they are. The order is that of nesting: who is asked first stands first.

What it does not do: leave anything out. Each step is in exactly one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api_gateway.core.xray.step import Step


@dataclass(frozen=True, slots=True)
class Row:
    """One step, or several in a line that decided nothing."""

    steps: tuple[Step, ...]
    depth: int
    """In how many rows it lies."""
    turn: int
    """Its place among the steps that one step passed on to; 0 if that passed on once."""

    @property
    def step(self) -> Step:
        """The outermost."""
        return self.steps[0]

    @property
    def decided(self) -> bool:
        """Whether it did more than pass on."""
        return not only_passed_on(self.step)

    @property
    def failed(self) -> bool:
        """Whether what came out of it is an error or a refusal."""
        return self.step.status is None or self.step.status >= 400

    @property
    def refused(self) -> bool:
        """Whether that error or refusal is its own, and not one that came back to it."""
        return self.failed and not self.step.passed_back


def only_passed_on(step: Step) -> bool:
    """Whether it decided by no state, found nothing out, and gave on what it was given."""
    known = (step.before, step.after, step.found, step.request, step.response)
    return not any(known) and len(step.inner) == 1 and step.passed_back


def rows_of(first: Step) -> Iterator[Row]:
    """The rows for a step and all inside it."""
    yield from _rows(first, 0, 0)


def _rows(step: Step, depth: int, turn: int) -> Iterator[Row]:
    steps = [step]
    while only_passed_on(steps[-1]) and only_passed_on(steps[-1].inner[0]):
        steps.append(steps[-1].inner[0])
    yield Row(tuple(steps), depth, turn)
    inner = steps[-1].inner
    for number, one in enumerate(inner, 1):
        yield from _rows(one, depth + 1, number if len(inner) > 1 else 0)
