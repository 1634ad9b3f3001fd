"""Expiry queue: the deadlines of all running requests under one timer of the event loop.

Rule: a middleware gives every request the same time, so the deadlines fall due in the order in
which they are set. Each joins the end of the queue, and the loop's only timer stands at its front.
A request that comes in with less time left than one before it would break the order; it gets a
timer of its own.

Cost: O(1), an entry in a dictionary. A timer of the event loop, set and cancelled for each request,
costs five times as much, and nearly every one is cancelled.

Time here is the event loop's, in seconds, as its timers have no other.

What it does not do: outlive its event loop.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from api_gateway.core.errors import DeadlineExceeded


class Expiry:
    """One deadline of one task, for the block of a `with` statement: `asyncio.timeout`, in a third of its time."""

    __slots__ = ("_cancelled_before", "_queue", "due", "expired", "task", "timer")

    def __init__(self, task: asyncio.Task[object], due: float, queue: ExpiryQueue) -> None:
        """`due` in the seconds of the task's event loop."""
        self.task = task
        self.due = due
        self.expired = False
        self.timer: asyncio.TimerHandle | None = None
        self._queue = queue
        self._cancelled_before = task.cancelling()

    def expire(self) -> None:
        """The deadline has passed: cancel the task."""
        self.expired = True
        self.task.cancel()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The block has ended, in time or not.

        Raises:
            DeadlineExceeded: it was the deadline that cancelled it, and nobody else has.
        """
        self._queue.discard(self)
        # However the block ended: the task outlives it, and must not stay cancelled.
        if self.expired and self.task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise DeadlineExceeded("no end of the answer in time") from None


class ExpiryQueue:
    """The deadlines set on one event loop."""

    __slots__ = ("_latest", "_pending", "_timer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._pending: dict[Expiry, None] = {}  # in the order in which they fall due
        self._latest = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, task: asyncio.Task[object], seconds: float) -> Expiry:
        """Cancel `task` in so many seconds, unless the expiry is discarded before."""
        expiry = Expiry(task, self.loop.time() + seconds, self)
        if expiry.due < self._latest:
            expiry.timer = self.loop.call_at(expiry.due, expiry.expire)
            return expiry
        self._latest = expiry.due
        self._pending[expiry] = None
        if self._timer is None:
            self._timer = self.loop.call_at(expiry.due, self._wake)
        return expiry

    def discard(self, expiry: Expiry) -> None:
        """Whether it has passed or not, the deadline does not matter any more."""
        if expiry.timer is not None:
            expiry.timer.cancel()
        self._pending.pop(expiry, None)

    def _wake(self) -> None:
        now = self.loop.time()
        self._timer = None
        while self._pending:
            first = next(iter(self._pending))
            if first.due > now:
                self._timer = self.loop.call_at(first.due, self._wake)
                return
            del self._pending[first]
            first.expire()
