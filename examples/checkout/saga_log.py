"""Saga log: what a saga is about to do, has done and has undone, written down before the next thing happens.

Rule: "trying" is written before a service is asked. So whoever reads the log after a crash knows every step that may
have been done: those with "trying" and neither "refused" nor "undone" behind it. What could not be undone is
"needs_human", and is kept until a person has dealt with it.

This is the seam for a durable log: a class with `append` over a database table. `MemorySagaLog` dies with its
process, and with it the knowledge of what was half done.

What it does not do: recover. Reading a durable log after a start, and undoing or finishing what it says, is what
workflow engines are for.

Source: H. Garcia-Molina and K. Salem, "Sagas", SIGMOD 1987, section 4, on the saga log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Event: TypeAlias = Literal["trying", "done", "refused", "failed", "undone", "needs_human", "finished"]
"""What happened: "failed" leaves open whether the step was done; "finished" ends the saga, done or undone."""


@dataclass(frozen=True, slots=True)
class SagaEntry:
    """One line of the log."""

    saga: str
    """Which saga."""
    step: str
    """Which of its steps; empty for the saga as a whole."""
    event: Event
    detail: str = ""


class SagaLog(Protocol):
    """Where sagas write down what they do."""

    async def append(self, entry: SagaEntry) -> None:
        """Return when `entry` is kept. If this raises, the saga goes no further, and is undone."""
        ...


class MemorySagaLog:
    """A log for as long as the process lives. A finished saga's lines go, what needs a human stays."""

    def __init__(self) -> None:
        self.needs_human: list[SagaEntry] = []
        """What could not be undone, oldest first; whoever has dealt with an entry removes it."""
        self._open: dict[str, list[SagaEntry]] = {}

    @property
    def unfinished(self) -> Mapping[str, Sequence[SagaEntry]]:
        """The lines of each saga that is under way."""
        return self._open

    async def append(self, entry: SagaEntry) -> None:
        """See `SagaLog.append`."""
        if entry.event == "needs_human":
            self.needs_human.append(entry)
        if entry.event == "finished":
            self._open.pop(entry.saga, None)
        else:
            self._open.setdefault(entry.saga, []).append(entry)
