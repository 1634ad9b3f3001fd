"""KeyedRateLimiter: what all limiters with a state per key share.

Rule: the algorithm is a pure method, `decide(state, now, cost)`, which gives the new state and the
decision. Around it, and only here: look the key up, decide, store if something was admitted. So a
refusal changes nothing, and the algorithm can be tested, searched and drawn without a table.

An algorithm may override `acquire` with the same steps written flat, where the call of `decide` and
its pair of results are too dear; a test holds the two equal.

When the table is full of live keys (`keyed_state.py`), a new key is refused or admitted unlimited,
as `when_full` says. The default refuses: a limit that a flood of keys can lift is none.

What it does not do: serve several threads. In one event loop nothing comes between look-up and
store, because there is no `await`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, Literal, Protocol, TypeAlias

from api_gateway.rate_limiting.keyed_state import DEFAULT_MAX_KEYS, KeyedState, State
from api_gateway.rate_limiting.rate_limiter import Decision, Quota, RateLimiter, new_decision

WhenFull: TypeAlias = Literal["refuse", "admit"]
"""What becomes of a new key for which there is no room."""

Undo: TypeAlias = Callable[[], None]


def _nothing_to_undo() -> None:
    pass


class ReservingRateLimiter(RateLimiter, Protocol):
    """A limiter that can take an admission back."""

    def reserve(self, key: str, now: int, cost: int = 1) -> tuple[Decision, Undo]:
        """As `acquire`, and a function that makes it undone; to be called before anything else is asked of `key`."""
        ...


class KeyedRateLimiter(Generic[State]):
    """Base of the algorithms."""

    __slots__ = ("quota", "table", "when_full")

    def __init__(
        self,
        limit: int,
        period: float,
        burst: int | None = None,
        *,
        max_keys: int = DEFAULT_MAX_KEYS,
        when_full: WhenFull = "refuse",
    ) -> None:
        """`limit` requests per `period` seconds, `burst` at once (`limit` unless given), for each key.

        Raises:
            ValueError: a number is not what it may be.
        """
        if when_full not in ("refuse", "admit"):
            raise ValueError(f"when_full must be 'refuse' or 'admit', not {when_full!r}")
        self.quota = self.quota_of(limit, period, burst)
        self.table: KeyedState[State] = KeyedState(self.is_idle, max_keys)
        self.when_full = when_full

    @classmethod
    def quota_of(cls, limit: int, period: float, burst: int | None) -> Quota:
        """What the three numbers mean to this algorithm."""
        return Quota.of(limit, period, burst)

    def decide(self, state: State | None, now: int, cost: int = 1) -> tuple[State | None, Decision]:
        """The rule itself: the state after, and the decision. A refusal gives `state` back.

        `state` is None for a key that has none, and is never changed in place.

        Raises:
            ValueError: the cost is negative.
        """
        raise NotImplementedError

    def is_idle(self, state: State, now: int) -> bool:
        """Whether, from `now` on, a key with this state is treated as one with none."""
        raise NotImplementedError

    def acquire(self, key: str, now: int, cost: int = 1) -> Decision:
        """Ask for `cost` at `now`, monotonic nanoseconds; what is admitted is charged to `key`.

        A refusal charges nothing. A cost of 0 asks without taking: the decision says what there is.

        Raises:
            ValueError: the cost is negative.
        """
        states = self.table.young
        state = states.get(key)
        if state is None:
            states = self.table.old
            state = states.get(key)
            if state is None:
                return self._acquire(key, None, now, cost)
        after, decision = self.decide(state, now, cost)
        if decision[0] and cost and after is not None:
            states[key] = after
        return decision

    def reserve(self, key: str, now: int, cost: int = 1) -> tuple[Decision, Undo]:
        """As `acquire`, and a function that makes it undone; to be called before anything else is asked of `key`."""
        before = self.kept(self.table.get(key))
        decision = self.acquire(key, now, cost)
        if decision.allowed and cost:
            return decision, partial(self.table.restore, key, before)
        return decision, _nothing_to_undo

    def kept(self, state: State | None) -> State | None:
        """`state` as it is now, whatever becomes of it; a state that `acquire` changes in place must be copied."""
        return state

    def _acquire(self, key: str, state: State | None, now: int, cost: int) -> Decision:
        if state is None and now < self.table.latest_sweep:
            now = self.table.latest_sweep
        after, decision = self.decide(state, now, cost)
        if decision.allowed and cost and after is not None and not self.table.put(key, after, now):
            return self._without_room(decision)
        return decision

    def _without_room(self, decision: Decision) -> Decision:
        if self.when_full == "admit":
            return decision
        # Nobody knows when another key will be idle; a period is when the latest of windows is.
        return new_decision((False, decision.limit, 0, self.quota.period, self.quota.period, 0))
