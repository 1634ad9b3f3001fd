"""Virtual time: an asyncio event loop that never waits.

Rule: while something is ready, run it. When nothing is, jump to the next timer: its time *is* now. An
hour of sleeping costs nothing, and what happens depends on nothing but the program: not on the
machine, its load, or the operating system. Timers that are due at the same time run in the order in
which they were set.

    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    run(main)   # 3600.0, at once

If nothing is ready and no timer is set, what still waits will wait for ever: `SimulationDeadlock` says
who it is. A real loop would hang.

Cost: a heap of timers, O(log n) each.

What it does not do: sockets, subprocesses or signals. Whatever needs the world outside has no place in
a simulation; services are Handlers or ASGI applications in the same process. A function given to an
executor runs at once, on the spot, in no time.

Source: discrete-event simulation, as in A. Law and W. Kelton, "Simulation Modeling and Analysis", chapter 1:
the next-event time advance.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
from collections.abc import Callable, Coroutine
from typing import NoReturn, ParamSpec, TypeVar, TypeVarTuple

from api_gateway.core.clock import NANOSECONDS

_T = TypeVar("_T")
_P = ParamSpec("_P")
_Ts = TypeVarTuple("_Ts")

_MANY = 100  # cancelled timers: fewer are not worth a new heap


class SimulationDeadlock(RuntimeError):
    """Nothing can happen any more, and somebody still waits."""


class _Timer(asyncio.TimerHandle):
    __slots__ = ("waiting",)

    waiting: bool
    """Whether it is in the heap still."""


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """The event loop; starts at 0 seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._timers_set = 0
        self._timers_cancelled = 0

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio; a time that has passed is due at once."""
        self._check_closed()  # type: ignore[attr-defined]  # BaseEventLoop's, missing in typeshed
        timer = _Timer(when, callback, args, self, context)
        timer.waiting = True
        self._timers_set += 1  # the second part of the key: first set, first run
        heapq.heappush(self._timers, (when, self._timers_set, timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def run_in_executor(self, executor: object, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Call `func` here and now: a thread would bring the machine's time into it."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if not (isinstance(handle, _Timer) and handle.waiting):
            return
        self._timers_cancelled += 1
        if self._timers_cancelled > _MANY and 2 * self._timers_cancelled > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._timers_cancelled = 0

    def _run_once(self) -> None:
        """One turn: what is ready now, and nothing that becomes ready by it."""
        # Handles are asked for `_cancelled`, as BaseEventLoop does: this is where a simulation spends its time.
        ready = self._ready  # type: ignore[attr-defined]  # BaseEventLoop's queue: there is no public way
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)[2].waiting = False
            self._timers_cancelled -= 1
        if not ready:
            if not timers:
                self._deadlock()
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            timer.waiting = False
            if timer._cancelled:
                self._timers_cancelled -= 1
            else:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _deadlock(self) -> NoReturn:
        waiting = sorted(_described(task) for task in asyncio.all_tasks(self))
        what = "".join(f"\n  {line}" for line in waiting) or " nobody: the loop runs without a task"
        raise SimulationDeadlock(
            f"at {self._now:g} s nothing is scheduled any more, and these wait for what cannot come:{what}"
        )

    # The world outside.

    def _write_to_self(self) -> None:
        """Nothing to wake: this loop never sleeps."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    async def create_connection(self, *arguments: object, **options: object) -> NoReturn:
        """Refused: see the module."""
        raise _no_sockets()

    async def create_server(self, *arguments: object, **options: object) -> NoReturn:
        """Refused: see the module."""
        raise _no_sockets()

    async def getaddrinfo(self, *arguments: object, **options: object) -> NoReturn:
        """Refused: see the module."""
        raise _no_sockets()


def spend(seconds: float) -> None:
    """Keep the running loop busy for so long, as work on a processor does: meanwhile nothing else happens.

    Raises:
        RuntimeError: the loop that runs has real time, which is spent by working.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise RuntimeError("only virtual time can be spent")
    loop._now += seconds


class VirtualClock:
    """A `Clock` that tells a loop's virtual time."""

    __slots__ = ("_loop", "_seconds", "_start", "_whole")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, start: float = 0.0) -> None:
        """`loop` is the running one unless given; `start` is the wall's time when the loop's is 0."""
        self._loop = loop or asyncio.get_running_loop()
        self._start = start
        self._seconds, self._whole = 0.0, 0

    def monotonic(self) -> int:
        """Nanoseconds since the loop's start."""
        seconds = self._loop.time()
        if seconds != self._seconds:  # a request asks ten times, and time stands still while it does
            self._seconds, self._whole = seconds, round(seconds * NANOSECONDS)
        return self._whole

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._start + self._loop.time()


def run(main: Callable[_P, Coroutine[object, object, _T]], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run `main(*args, **kwargs)` in virtual time and return its result.

    As `asyncio.run`: tasks that are left over are cancelled, asynchronous generators closed. Also works
    where an event loop is running already, as in a notebook: the simulation then has a thread of its own,
    which the caller waits for.

    Raises:
        SimulationDeadlock: `main` waits for something that cannot happen.
    """

    def simulate() -> _T:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(main(*args, **kwargs))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return simulate()
    return _in_a_thread(simulate)


def _in_a_thread(function: Callable[[], _T]) -> _T:
    results: list[_T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # handed on to the caller, whatever it is
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(call,), name="simulation")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _described(task: asyncio.Task[object]) -> str:
    frames = task.get_stack(limit=None)
    if not frames:
        return task.get_name()
    code = frames[-1].f_code
    return f"{task.get_name()} in {code.co_qualname}, {code.co_filename}:{frames[-1].f_lineno}"


def _no_sockets() -> NotImplementedError:
    return NotImplementedError("virtual time has no sockets: use services in this process, or run in real time")
