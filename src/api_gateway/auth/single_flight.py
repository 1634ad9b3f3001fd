"""Single flight: when many want the same thing at once, one fetches it and all get the result.

Rule: the first who asks for a key starts the work; whoever asks while it runs waits for its result, or its error.
The work has a task of its own, so that the first one's departure does not take it away from the others. It is
cancelled when the last one has gone; who asks after that starts anew.

| happens                             | then                                                         |
|-------------------------------------|--------------------------------------------------------------|
| a waiter is cancelled               | that one alone; the others go on waiting                     |
| the last waiter is cancelled        | the work is cancelled, too                                   |
| the work fails                      | each waiter gets the error                                   |
| the work is cancelled from outside  | `WorkCancelled` for each: nobody has cancelled *them*        |

Bound: one task a key that is asked for now. Nothing is kept when the work is over: that is a cache's part.
Cost: a task for the first, a future for each of the others.

What it does not do: limit how long the work takes, or how many keys are worked on. It knows one event loop.
The error is one object for all: whoever wants to add something to it makes one of its own. The work must not
ask for its own key, as it would wait for itself.

Source: Go, golang.org/x/sync/singleflight, which cannot cancel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class WorkCancelled(Exception):
    """The work was cancelled from outside, so there is no result."""


class _Flight(Generic[Value]):
    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[Value]) -> None:
        self.task = task
        self.waiters = 0


class SingleFlight(Generic[Key, Value]):
    """What is being fetched now, by key."""

    __slots__ = ("_abandoned", "_flights", "joined", "started")

    started: int
    """How often work was begun."""
    joined: int
    """How often somebody waited for work that another had begun."""

    def __init__(self) -> None:
        self.started = 0
        self.joined = 0
        self._flights: dict[Key, _Flight[Value]] = {}
        # Cancelled, and not yet over: the event loop itself holds tasks only weakly.
        self._abandoned: set[asyncio.Task[Value]] = set()

    def __len__(self) -> int:
        """How many keys are worked on, and waited for."""
        return len(self._flights)

    async def run(self, key: Key, work: Callable[[], Coroutine[object, object, Value]]) -> Value:
        """The result of `work()`, or of the work for `key` that runs already.

        Raises:
            WorkCancelled: the work was cancelled by somebody else than its waiters.
            Exception: what the work raised.
        """
        flight = self._flights.get(key)
        if flight is None or flight.task.done():
            flight = self._start(key, work)
        else:
            self.joined += 1
        flight.waiters += 1
        try:
            # Not `shield`: it makes noise about errors that come after its waiter has gone.
            await asyncio.wait([flight.task])
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._abandon(key, flight)
        if flight.task.cancelled():
            raise WorkCancelled("the work was cancelled while others waited for it")
        return flight.task.result()

    def _start(self, key: Key, work: Callable[[], Coroutine[object, object, Value]]) -> _Flight[Value]:
        flight = _Flight(asyncio.get_running_loop().create_task(work(), name="single flight"))

        def over(task: asyncio.Task[Value]) -> None:
            self._abandoned.discard(task)
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not task.cancelled():
                task.exception()  # has been looked at, if only by this: nobody may have stayed to see it

        flight.task.add_done_callback(over)
        self._flights[key] = flight
        self.started += 1
        return flight

    def _abandon(self, key: Key, flight: _Flight[Value]) -> None:
        del self._flights[key]
        self._abandoned.add(flight.task)
        flight.task.cancel()
