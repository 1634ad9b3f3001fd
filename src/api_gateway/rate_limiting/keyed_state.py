"""KeyedState: one state for each key, in bounded memory.

The keys come from outside: addresses, API keys, whatever a header says. A table that grows with
them is a memory leak that anybody can drive; a least-recently-used cache is worse, because then a
flood of new keys pushes out the attacker's own entry, and with it the memory that it was refused.

Rule: an entry is dropped only when it is *idle*: when its key would be treated the same with no
entry at all. With `max_keys` live entries there is no room for another key, and whoever asks must
have a policy for that (`keyed_rate_limiter.py`).

How idle entries are found, without a scan and without a pause: two dictionaries, as in a copying
garbage collector. In a sweep each new key takes four entries out of `old`, drops the idle ones and
moves the live ones to `young`. When `old` is empty, the sweep is over; later `young` becomes `old`, and
new keys begin another `young`. A state is changed where it lies. A sweep begins when the table has
doubled since the last one, or is three quarters full.

The first `young` is put aside already when it fills its places exactly (a dictionary has 2 ** k, and
doubles when two thirds are taken): so at 100,000 keys a place takes 23 bytes, where one dictionary that
has just doubled takes 38.

Bound: `max_keys` entries; above 131,072, about five times those that are live. No key is refused while
at most half of `max_keys` are live: a sweep of n takes n / 4 new keys and leaves at most those and the
live ones, so it is over in time. Between a half and all, an idle entry may be overlooked by some
new keys before the sweep comes to it.
Cost: a key that is there, one or two look-ups and one store. A new key, four entries looked at during
a sweep and none else; eight where the table is full, whether it gets in or not.

What it does not do: outlive the process, or serve several threads at once.

Source: H. Baker, "List processing in real time on a serial computer", CACM 21(4), 1978.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")

DEFAULT_MAX_KEYS = 1_000_000

_WORTH_A_SWEEP = 131_072  # entries, or about 8 MB: below, to sweep costs more than to keep
_PUT_ASIDE = 2**17 * 2 // 3  # entries
_LOOKED_AT = 4  # by each new key: with two, the keys that come during a sweep would be as many as it drops
_LOOKED_AT_WHEN_FULL = 8


class KeyedState(Generic[State]):
    """States by key; None stands for a key without one."""

    __slots__ = ("_is_idle", "_put_aside_at", "_sweep_from", "_sweeping", "latest_sweep", "max_keys", "old",
                 "overflows", "young")  # fmt: skip

    def __init__(self, is_idle: Callable[[State, int], bool], max_keys: int = DEFAULT_MAX_KEYS) -> None:
        """`is_idle(state, now)` says whether an entry is as good as none, from `now` on for ever.

        Raises:
            ValueError: there is no room for even one key.
        """
        if max_keys < 1:
            raise ValueError(f"max_keys must be at least 1, not {max_keys}")
        self.max_keys = max_keys
        self.young: dict[str, State] = {}
        """Where to look first. A state that is here may be replaced here, without `put`."""
        self.old: dict[str, State] = {}
        """Where to look next; likewise."""
        self.overflows = 0
        """How many new keys found the table full of live ones."""
        self.latest_sweep = 0
        """The latest `now` at which an entry was dropped. To a clock that goes back behind it, a key
        without an entry is not new: it may have had one that was idle only later."""
        self._is_idle = is_idle
        self._finish_sweep()

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def get(self, key: str) -> State | None:
        """The state of `key`."""
        state = self.young.get(key)
        return self.old.get(key) if state is None else state

    def put(self, key: str, state: State, now: int) -> bool:
        """Set the state of `key`; False if it is new and the table is full of live keys."""
        if self.old or len(self.young) >= self._put_aside_at:
            if key in self.old:
                self.old[key] = state
                return True
            if key not in self.young and not self._make_room(now):
                self.overflows += 1
                return False
        self.young[key] = state
        return True

    def restore(self, key: str, state: State | None) -> None:
        """Undo a `put` that came right before: the state that `get` returned then."""
        states = self.old if key in self.old else self.young
        if state is not None:
            states[key] = state
        else:
            states.pop(key, None)

    def _make_room(self, now: int) -> bool:
        """Take a step of the sweep; whether there is room for one more key in `young`."""
        if not self.old:
            self.old, self.young = self.young, {}
        if self._sweeping or len(self) >= self._sweep_from:
            self._sweep(_LOOKED_AT, now)
            if len(self) >= self.max_keys:
                self._sweep(_LOOKED_AT_WHEN_FULL - _LOOKED_AT, now)
        return len(self) < self.max_keys

    def _sweep(self, steps: int, now: int) -> None:
        self._sweeping = True
        old, young = self.old, self.young
        for _ in range(min(steps, len(old))):
            key, state = old.popitem()
            if self._is_idle(state, now):
                if now > self.latest_sweep:
                    self.latest_sweep = now
            else:
                young[key] = state
        if not old:
            self._finish_sweep()

    def _finish_sweep(self) -> None:
        self._sweeping = False
        self.old = {}  # an emptied dictionary keeps the memory of its greatest size
        self._sweep_from = min(max(_WORTH_A_SWEEP, 2 * len(self.young)), max(1, 3 * self.max_keys // 4))
        # What is not put aside when a sweep begins is not looked at in it: no more than a quarter of the room may be.
        early = self._sweep_from == _WORTH_A_SWEEP <= self.max_keys // 2
        self._put_aside_at = _PUT_ASIDE if early else self._sweep_from
