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

A call is judged when its head is there, because a stream of an hour must not hold a permit for an hour.
If its body then breaks off, `broke_off` makes a failure of that same call, unless the state has changed.

Bound: once tripped, a service that stays down gets at most `half_open_calls` calls in each `open_for`.
Under steady failure, tripping takes what the window and `min_calls` say, and the calls that are
already under way: rate * timeout of them.
Memory: the window, and the probes of one half-open time.
Cost: O(1); a transition walks over the window, a refusal's `retry_after` while half open over the probes that are out.

What it does not do: call, wait, or know what a failure is. It does not count what never was a call of
the service: refusals of the gateway's own must be cancelled, not reported. It does not choose among places:
`place`, such as an endpoint's address, is only to say where the failures were.

Source: M. Nygard, "Release It!", 2007, ch. 5.3; resilience4j, CircuitBreakerStateMachine;
Netflix Hystrix, HystrixCircuitBreaker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from api_gateway.resilience.circuit_states import START, CircuitEvent, CircuitState, Transition, transition
from api_gateway.resilience.outcome_window import CountWindow, Outcomes, OutcomeWindow
from api_gateway.resilience.share import Share

LOST_AFTER = 60_000_000_000
"""Nanoseconds: longer than calls take whose timeouts make sense."""


class Observer(Protocol):
    """Told of each transition; must not raise, nor call the breaker."""

    def __call__(self, row: Transition, at: int, evidence: Mapping[str, Outcomes], /) -> None:
        """It happened `at`, monotonic nanoseconds, for the outcomes of `evidence`, by place."""
        ...


class Permit:
    """The right to one call, and the duty to say how it ended. Of two reports the first counts."""

    __slots__ = ("generation", "number", "place", "reported", "taken")

    def __init__(self, generation: int, taken: int) -> None:
        """`taken` in monotonic nanoseconds."""
        self.generation = generation
        self.taken = taken
        self.reported = False
        self.number: int | None = None  # of the outcome, while it may be amended
        self.place = ""


class CircuitBreaker:
    """Guards one service or one endpoint. `now` is monotonic nanoseconds and does not go back."""

    __slots__ = ("_generation", "_lost_after", "_opened", "_out", "_probes", "_state", "_window", "failure_rate",
                 "half_open_calls", "min_calls", "observer", "open_for", "slow_after", "slow_rate")  # fmt: skip

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
        self.failure_rate = Share.of("failure_rate", failure_rate)
        self.slow_rate = Share.of("slow_rate", slow_rate)
        self.min_calls = min_calls
        self.open_for = open_for
        self.half_open_calls = half_open_calls
        self.slow_after = slow_after
        self._lost_after = lost_after
        self.observer = observer
        self._window = window
        self._state = START
        self._generation = 0
        self._opened = 0
        self._out: dict[Permit, None] = {}  # probes, in the order in which they are lost
        self._probes = CountWindow(half_open_calls)  # those that have ended

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

    def report(self, permit: Permit, now: int, *, failed: bool, place: str = "") -> None:
        """The call at `place` ended; how long it took is measured from `acquire`."""
        if self._state is not CircuitState.CLOSED:
            self._pass_time(now)
        if permit.reported or permit.generation != self._generation:
            return
        permit.reported = True
        permit.place = place
        self._out.pop(permit, None)
        number = self._evidence().record(now, failed=failed, slow=self.is_slow(permit, now), place=place)
        if not failed:
            permit.number = number
        self._weigh(now)

    def broke_off(self, permit: Permit, now: int) -> None:
        """The answer that was reported as no failure was one after all: its body has no end."""
        self._pass_time(now)
        number, permit.number = permit.number, None
        if number is None or permit.generation != self._generation:
            return
        if not self._evidence().amend(now, number, permit.place):
            self._evidence().record(now, failed=True, slow=False, place=permit.place)
        self._weigh(now)

    def cancel(self, permit: Permit, now: int) -> None:
        """The call was not made, or says nothing about the service; a probe's permit goes to another call."""
        self._pass_time(now)
        permit.reported = True
        self._out.pop(permit, None)

    def is_slow(self, permit: Permit, now: int) -> bool:
        """Whether a call that ends now is a slow one."""
        return self.slow_after is not None and now - permit.taken >= self.slow_after

    def retry_after(self, now: int) -> int:
        """Nanoseconds until a call would be admitted if no report comes before; 0 if one would be now."""
        self._pass_time(now)
        if self._state is CircuitState.OPEN:
            return self._opened + self.open_for - now
        if self._state is CircuitState.CLOSED or self._has_room():
            return 0
        _, failed, slow = self._probes.outcomes(now)
        for permit in self._out:
            failed += 1
            slow += 1
            if self._probes_failed(failed, slow):
                return permit.taken + self._lost_after + self.open_for - now
        raise AssertionError("probes that are all lost have failed")

    def evidence(self, now: int) -> Mapping[str, Outcomes]:
        """What the next judgement will go by, by place; nothing while the circuit is open."""
        self._pass_time(now)
        return self._evidence().by_place(now)

    def probes_out(self, now: int) -> int:
        """Probes of which nobody knows yet how they end."""
        self._pass_time(now)
        return len(self._out)

    def _evidence(self) -> OutcomeWindow:
        return self._probes if self._state is CircuitState.HALF_OPEN else self._window

    def _has_room(self) -> bool:
        ended = self._probes.outcomes(0).calls
        return self._state is CircuitState.HALF_OPEN and ended + len(self._out) < self.half_open_calls

    def _pass_time(self, now: int) -> None:
        """Let happen what happens by itself until `now`, each thing at its own time."""
        while self._state is CircuitState.HALF_OPEN and self._out:
            oldest = next(iter(self._out))
            lost = oldest.taken + self._lost_after
            if lost > now:
                return
            oldest.reported = True
            del self._out[oldest]
            self._probes.record(lost, failed=True, slow=True)
            self._weigh(lost)
        if self._state is CircuitState.OPEN and now >= self._opened + self.open_for:
            self._move(CircuitEvent.RESTED, self._opened + self.open_for)

    def _weigh(self, now: int) -> None:
        """Judge by what is known."""
        calls, failed, slow = self._evidence().outcomes(now)
        if self._state is CircuitState.HALF_OPEN:
            to_come = self.half_open_calls - calls
            if self._probes_failed(failed, slow):
                self._move(CircuitEvent.PROBES_FAILED, now)
            elif not self._probes_failed(failed + to_come, slow + to_come):
                self._move(CircuitEvent.PROBES_PASSED, now)
        elif calls >= self.min_calls and (
            self.failure_rate.reached_by(failed, calls) or self.slow_rate.reached_by(slow, calls)
        ):
            self._move(CircuitEvent.TRIPPED, now)

    def _probes_failed(self, failed: int, slow: int) -> bool:
        probes = self.half_open_calls
        return self.failure_rate.reached_by(failed, probes) or self.slow_rate.reached_by(slow, probes)

    def _move(self, event: CircuitEvent, now: int) -> None:
        row = transition(self._state, event)
        evidence = self._evidence().by_place(now)
        self._state = row.target
        self._generation += 1
        self._opened = now
        self._out.clear()
        self._probes.clear()
        self._window.clear()
        if self.observer is not None:
            self.observer(row, now, evidence)
