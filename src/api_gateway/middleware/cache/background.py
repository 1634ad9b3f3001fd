"""Cache background: what a cache does beside the requests: refreshes, shared bodies, writes to a distant store.

Rule: every task is held here until it is over, and ended when the gateway closes. No client's departure reaches it.
What is only useful, such as a refresh, finds no room when `most` of them run; what somebody waits for always does.

What it does not do: limit how long a task takes. Whoever starts one does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

_log = logging.getLogger("api_gateway.errors")


class Background:
    """The tasks of one cache."""

    __slots__ = ("_closed", "_most", "_optional", "_tasks", "refused")

    refused: int
    """Tasks for which there was no room."""

    def __init__(self, most: int) -> None:
        """Up to `most` tasks at once that could be done without."""
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._optional = 0
        self._closed = False
        self.refused = 0

    def __len__(self) -> int:
        """How many run."""
        return len(self._tasks)

    def has_room(self) -> bool:
        """Whether another optional task may start; if not, it is counted as refused."""
        room = not self._closed and self._optional < self._most
        self.refused += not room
        return room

    def start(self, work: Coroutine[object, object, None], name: str, *, optional: bool = False) -> None:
        """Do `work` in a task."""
        self.adopt(asyncio.get_running_loop().create_task(work, name=name), optional=optional)

    def adopt(self, task: asyncio.Task[None], *, optional: bool = False) -> None:
        """Hold `task` until it is over."""
        self._tasks.add(task)
        self._optional += optional

        def over(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._optional -= optional
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("defect in the background of a cache", exc_info=error)

        task.add_done_callback(over)
        if self._closed:
            task.cancel()

    async def close(self) -> None:
        """End all of them; from now on nothing goes on here."""
        self._closed = True
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
