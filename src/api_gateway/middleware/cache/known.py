"""Cache known: keys that something is known about, for a while.

Rule: a key and when it was last heard of. What was heard too long ago is not known any more, and where there is no
room the oldest go first: forgetting costs a wait or a request, never a wrong answer that a time limit would not.

Two tables take turns: the young one, when it is half of all, becomes the old one, and what that held is forgotten. (One
dictionary that loses its first key at each new one skips thousands of empty places to find it.)

Cost: a look into two dictionaries.

What it does not do: say what it means. One holds keys whose answers are not shared, another those just invalidated.
"""

from __future__ import annotations

from api_gateway.core.clock import Clock


class Known:
    """Keys, each with a time of the wall clock."""

    __slots__ = ("_half", "_lasting", "_old", "_wall", "_young")

    def __init__(self, lasting: float, clock: Clock, most: int = 10_000) -> None:
        """Remember for `lasting` seconds, and `most` keys."""
        self._lasting = lasting
        self._wall = clock.wall
        self._half = most // 2
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def add(self, key: str) -> None:
        """Remember `key` from now on."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = self._wall()

    def discard(self, key: str) -> None:
        """Forget `key`."""
        if self._young or self._old:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def since(self, key: str) -> float | None:
        """When `key` was last added; None if it was not, or too long ago."""
        time = self._young.get(key)
        if time is None:
            time = self._old.get(key)
            if time is None:
                return None
        if self._wall() - time >= self._lasting:
            self.discard(key)
            return None
        return time
