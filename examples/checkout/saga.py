"""Saga: steps in order, each with its undoing; when one fails, what was begun is undone in reverse order.

    validate -> reserve -> pay -> order -> ship        X  ship fails
                release <- refund <- cancel <- cancel  <- undone, the last one first

Rule: a step that failed may have been done all the same: the answer may have been lost. Only `Refused` says that it
was not. Every other step that was begun is undone, whatever is known of it, so undoing must be idempotent, do well
where there is nothing to undo, and keep a late "do" from happening afterwards.

An undoing that fails is tried again, with growing pauses, a bounded number of times. What is left then needs a human:
it is logged as an error, written into the saga log, and named in the outcome.

`stop` ends a saga early, until its point of no return. From there on it goes to its end, whoever leaves.

Bound: a step is asked once, its undoing at most `Undoing.attempts` times. (A service may retry below that.)
What it does not do: isolate. Others see a reservation before the checkout has succeeded. Nor does it survive the
process; `saga_log.py` has the seam for that.

Source: H. Garcia-Molina and K. Salem, "Sagas", SIGMOD 1987; C. Richardson, "Microservices Patterns", chapter 4.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from api_gateway.core.clock import NANOSECONDS
from api_gateway.resilience.backoff import Backoff
from examples.checkout.saga_log import Event, SagaEntry, SagaLog

Action: TypeAlias = Callable[[], Coroutine[object, object, None]]
"""Does or undoes a step; returns when that is certain, else raises."""

_log = logging.getLogger("api_gateway.checkout")


class Refused(Exception):
    """The step was not done, and will not be: somebody said no before doing anything."""

    def __init__(self, detail: str, status: int = 502) -> None:
        """`status` is an HTTP status that says why."""
        super().__init__(detail)
        self.status = status


class OutcomeUnknown(Exception):
    """The step may have been done, or not, or may be done later."""


class CannotUndo(Exception):
    """Undoing was refused, and would be refused again."""


class Stopped(Exception):
    """Nobody waits any more, and the point of no return was not reached."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    do: Action
    """Raises `Refused` if it is certain that nothing was done."""
    undo: Action | None = None
    """Idempotent; raises `CannotUndo` where another try is useless. None where there is nothing to undo."""
    no_return: bool = False
    """Whether the saga goes to its end once this step has begun."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """How often undoing is tried, and how long between."""

    backoff: Backoff
    attempts: int = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a saga ended."""

    ending: Literal["done", "undone", "needs_human"]
    step: str = ""
    """The step that failed; empty if none did."""
    failure: Exception | None = None
    """Why."""
    left: tuple[str, ...] = ()
    """Steps that could not be undone."""


class Saga:
    """One run of some steps. Run it once, in a task of its own, which nobody cancels."""

    def __init__(self, identifier: str, steps: Sequence[Step], log: SagaLog, undoing: Undoing) -> None:
        self.identifier = identifier
        self._steps = steps
        self._log = log
        self._undoing = undoing
        self._call: asyncio.Task[None] | None = None
        self._stopped = False
        self._no_return = False

    async def run(self) -> Outcome:
        """Do all steps, or undo those that were begun."""
        begun: list[Step] = []
        name = ""
        try:
            for step in self._steps:
                name = step.name
                if self._stopped:
                    raise Stopped(f"whoever asked left before {name}")
                self._no_return = self._no_return or step.no_return
                await self._write(name, "trying")
                begun.append(step)
                await self._do(step, begun)
                await self._write(name, "done")
        except Exception as error:  # a defect, too: whatever it was, what was begun must not stay
            outcome = await self._undo(begun, name, error)
        else:
            outcome = Outcome("done")
        await self._write_anyway("", "finished", outcome.ending)
        return outcome

    def stop(self) -> bool:
        """Give up and undo, unless the point of no return is behind; whether it was not."""
        if self._no_return:
            return False
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
        return True

    async def _do(self, step: Step, begun: list[Step]) -> None:
        # A task of its own: `stop` cancels the call, never the saga, which has to undo it.
        self._call = call = asyncio.create_task(step.do(), name=f"checkout {self.identifier}: {step.name}")
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            _log.error("checkout %s: cut off in step %s; nothing is undone", self.identifier, step.name)
            call.cancel()
            await asyncio.wait([call])
            raise
        finally:
            self._call = None
        if call.cancelled():
            raise Stopped(f"whoever asked left during {step.name}") if self._stopped else OutcomeUnknown("cancelled")
        error = call.exception()
        if isinstance(error, Refused):
            begun.remove(step)
        if error is not None:
            await self._write_anyway(step.name, "refused" if isinstance(error, Refused) else "failed", repr(error))
            raise error

    async def _undo(self, begun: Sequence[Step], failed: str, failure: Exception) -> Outcome:
        _log.warning("checkout %s: %s failed, undoing: %r", self.identifier, failed, failure)
        left = [step.name for step in reversed(begun) if not await self._undone(step)]
        return Outcome("needs_human" if left else "undone", failed, failure, tuple(left))

    async def _undone(self, step: Step) -> bool:
        if step.undo is None:
            return True
        wait: int | None = None
        last: Exception | None = None
        for attempt in range(self._undoing.attempts):
            if attempt:
                wait = self._undoing.backoff.delay(attempt - 1, wait)
                await asyncio.sleep(wait / NANOSECONDS)
            try:
                await step.undo()
            except Exception as error:
                last = error
                if isinstance(error, CannotUndo):
                    break
            else:
                await self._write_anyway(step.name, "undone")
                return True
        _log.error("checkout %s: step %s could not be undone, a human must: %r", self.identifier, step.name, last)
        await self._write_anyway(step.name, "needs_human", repr(last))
        return False

    async def _write(self, step: str, event: Event, detail: str = "") -> None:
        await self._log.append(SagaEntry(self.identifier, step, event, detail))

    async def _write_anyway(self, step: str, event: Event, detail: str = "") -> None:
        """Write, and go on where that fails: not to undo because nobody notes it would be worse."""
        try:
            await self._write(step, event, detail)
        except Exception as error:
            _log.error("checkout %s: not in the saga log: %s %s (%r)", self.identifier, step, event, error)
