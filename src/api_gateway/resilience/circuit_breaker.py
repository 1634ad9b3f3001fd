"""Circuit breaker: leave a service alone that does not answer, and ask it carefully whether it is back.

Rule: whoever wants to call acquires a permit, and reports with it how the call ended. While *closed*,
the circuit trips when the window holds at least `min_calls` and the failures, or the slow calls, reach
their rate. While *open*, nothing passes for `open_for`. Then, *half open*, `half_open_calls` probes pass;
the same rates judge them, as soon as the verdict is certain whatever the rest of them brings.

How a probe may end: with a result; cancelled, which gives its permit back for another call; or never.
A caller that loses a permit must not lock the service out for ever, so a probe that is out for
`lost_after` counts as failed and slow. Every permit therefore ends, and so does every half-open time.

A permit knows its generation, the number of transitions before it. A result from an earlier state is
ignored: it tells of a service as it was before, and calls that began before an outage must neither
close the circuit nor open it again.

Bound: once tripped, a service that stays down gets at most `half_open_calls` calls in each `open_for`.
Under steady failure, tripping takes what the window and `min_calls` say, and the calls that are
already under way: rate * timeout of them.
Memory: the window, and the probes that are out.
Cost: O(1); a refusal's `retry_after` while half open walks over the probes that are out.

What it does not do: call, wait, or know what a failure is. It does not count what never was a call of
the service: refusals of the gateway's own must be cancelled, not reported.

Source: M. Nygard, "Release It!", 2007, ch. 5.3; resilience4j, CircuitBreakerStateMachine;
Netflix Hystrix, HystrixCircuitBreaker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from api_gateway.resilience.circuit_states import START, CircuitEvent, CircuitState, Transition, transition
from api_gateway.resilience.outcome_window import CountWindow, OutcomeWindow
from api_gateway.resilience.share import Share

LOST_AFTER = 60_000_000_000
"""Nanoseconds: longer than calls take whose timeouts make sense."""

Observer: TypeAlias = Callable[[Transition, int], None]
"""Told of each transition, and when it happened in monotonic nanoseconds; must not raise."""


class Permit:
    """The right to one call, and the duty to say how it ended. Of two reports the first counts."""

    __slots__ = ("generation", "reported", "taken")

    def __init__(self, generation: int, taken: int) -> None:
        """`taken` in monotonic nanoseconds."""
        self.generation = generation
        self.taken = taken
        self.reported = False


class CircuitBreaker:
    """Guards one service or one endpoint. `now` is monotonic nanoseconds and does not go back."""

    __slots__ = ("_failed", "_failure_rate", "_generation", "_half_open_calls", "_judged", "_lost_after", "_min_calls",
                 "_observer", "_open_for", "_opened", "_out", "_slow", "_slow_after", "_slow_rate", "_state",
                 "_window")  # fmt: skip

    def __init__(
        self,
        window: OutcomeWindow,
        *,
        min_calls: int,
        failure_rate: float,
        open_for: int,
        half_open_calls: int,
        slow_after: int | None = None,
        slow_rate: float = 1.0,
        lost_after: int = LOST_AFTER,
        observer: Observer | None = None,
    ) -> None:
        """Durations in nanoseconds; a call is slow that takes `slow_after` or longer, none if it is None.

        Raises:
            ValueError: a number is not what it may be, or `min_calls` is more than the window can hold.
        """
        counts = (("min_calls", min_calls), ("open_for", open_for), ("half_open_calls", half_open_calls),
                  ("lost_after", lost_after))  # fmt: skip
        for name, value in counts:
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if isinstance(window, CountWindow) and min_calls > window.size:
            raise ValueError(f"min_calls must be at most {window.size}, the size of the window, not {min_calls}")
        self._failure_rate = Share.of("failure_rate", failure_rate)
        self._slow_rate = Share.of("slow_rate", slow_rate)
        self._min_calls = min_calls
        self._open_for = open_for
        self._half_open_calls = half_open_calls
        self._slow_after = slow_after
        self._lost_after = lost_after
        self._observer = observer
        self._window = window
        self._state = START
        self._generation = 0
        self._opened = 0
        self._out: dict[Permit, None] = {}  # probes, in the order in which they are lost
        self._judged = self._failed = self._slow = 0  # probes

    def state(self, now: int) -> CircuitState:
        """Where the circuit stands; time alone may have moved it."""
        self._pass_time(now)
        return self._state

    def acquire(self, now: int) -> Permit | None:
        """A permit to call now, to be given to `report` or `cancel`; None if the circuit says no."""
        if self._state is not CircuitState.CLOSED:
            self._pass_time(now)
            if not self._has_room():
                return None
            permit = Permit(self._generation, now)
            self._out[permit] = None
            return permit
        return Permit(self._generation, now)

    def report(self, permit: Permit, now: int, *, failed: bool) -> None:
        """The call ended; how long it took is measured from `acquire`."""
        if self._state is not CircuitState.CLOSED:
            self._pass_time(now)
        if permit.reported or permit.generation != self._generation:
            return
        permit.reported = True
        slow = self._slow_after is not None and now - permit.taken >= self._slow_after
        if self._state is CircuitState.HALF_OPEN:
            if permit in self._out:
                self._judge(permit, now, failed=failed, slow=slow)
            return
        self._window.record(now, failed=failed, slow=slow)
        calls, failures, slow_calls = self._window.outcomes(now)
        if calls >= self._min_calls and (
            self._failure_rate.reached_by(failures, calls) or self._slow_rate.reached_by(slow_calls, calls)
        ):
            self._move(CircuitEvent.TRIPPED, now)

    def cancel(self, permit: Permit, now: int) -> None:
        """The call was not made, or says nothing about the service; a probe's permit goes to another call."""
        self._pass_time(now)
        permit.reported = True
        self._out.pop(permit, None)

    def retry_after(self, now: int) -> int:
        """Nanoseconds until a call would be admitted if no report comes before; 0 if one would be now."""
        self._pass_time(now)
        if self._state is CircuitState.OPEN:
            return self._opened + self._open_for - now
        if self._state is CircuitState.CLOSED or self._has_room():
            return 0
        failed, slow = self._failed, self._slow
        for permit in self._out:
            failed += 1
            slow += 1
            if self._probes_failed(failed, slow):
                return permit.taken + self._lost_after + self._open_for - now
        raise AssertionError("probes that are all lost have failed")

    def _has_room(self) -> bool:
        return self._state is CircuitState.HALF_OPEN and self._judged + len(self._out) < self._half_open_calls

    def _pass_time(self, now: int) -> None:
        """Let happen what happens by itself until `now`, each thing at its own time."""
        while self._state is CircuitState.HALF_OPEN and self._out:
            oldest = next(iter(self._out))
            lost = oldest.taken + self._lost_after
            if lost > now:
                return
            self._judge(oldest, lost, failed=True, slow=True)
        if self._state is CircuitState.OPEN and now >= self._opened + self._open_for:
            self._move(CircuitEvent.RESTED, self._opened + self._open_for)

    def _judge(self, probe: Permit, now: int, *, failed: bool, slow: bool) -> None:
        del self._out[probe]
        self._judged += 1
        self._failed += failed
        self._slow += slow
        to_come = self._half_open_calls - self._judged
        if self._probes_failed(self._failed, self._slow):
            self._move(CircuitEvent.PROBES_FAILED, now)
        elif not self._probes_failed(self._failed + to_come, self._slow + to_come):
            self._move(CircuitEvent.PROBES_PASSED, now)

    def _probes_failed(self, failed: int, slow: int) -> bool:
        probes = self._half_open_calls
        return self._failure_rate.reached_by(failed, probes) or self._slow_rate.reached_by(slow, probes)

    def _move(self, event: CircuitEvent, now: int) -> None:
        row = transition(self._state, event)
        self._state = row.target
        self._generation += 1
        self._opened = now
        self._out.clear()
        self._judged = self._failed = self._slow = 0
        self._window.clear()
        if self._observer is not None:
            self._observer(row, now)
