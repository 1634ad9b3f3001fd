"""Cache known: keys that something is known about, for a while.

Rule: a key and when it was last heard of. What was heard too long ago is not known any more, and where there is no
room the oldest goes first: forgetting costs a wait or a request, never a wrong answer that a time limit would not.

Cost: a look into a dictionary; less where nothing is known.

What it does not do: say what it means. One holds keys whose answers are not shared, another those just invalidated.
"""

from __future__ import annotations

from api_gateway.core.clock import Clock


class Known:
    """Keys, each with a time of the wall clock."""

    __slots__ = ("_lasting", "_most", "_times", "_wall")

    def __init__(self, lasting: float, clock: Clock, most: int = 10_000) -> None:
        """Remember for `lasting` seconds, and `most` keys."""
        self._lasting = lasting
        self._wall = clock.wall
        self._most = most
        self._times: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, key: str) -> None:
        """Remember `key` from now on."""
        self._times.pop(key, None)
        self._times[key] = self._wall()
        while len(self._times) > self._most:
            del self._times[next(iter(self._times))]

    def discard(self, key: str) -> None:
        """Forget `key`."""
        self._times.pop(key, None)

    def since(self, key: str) -> float | None:
        """When `key` was last added; None if it was not, or too long ago."""
        time = self._times.get(key) if self._times else None
        if time is not None and self._wall() - time >= self._lasting:
            del self._times[key]
            return None
        return time
