"""Backoff: how long to wait before the next try.

Rule: the n-th wait, counted from 0, has the ceiling min(cap, base * 2 ** n), so that a service that stays
down is asked ever more rarely. Clients that failed together wait together and fail together again, unless
chance spreads them. Four ways to choose below the ceiling:

    none          the ceiling itself
    full          anything in [0, ceiling)                    the default
    equal         anything in [ceiling / 2, ceiling)
    decorrelated  anything in [base, 3 * the wait before), at most cap; n does not matter

Bound: as above, exactly. 1,000 clients that start together, of which a service takes 10 each 100 ms, make
50,500 calls without jitter (base 100 ms: each time all who are left) and about 7,300 with full jitter.
Cost: O(1), one random number.

What it does not do: wait, or say whether to try again. Jitter spreads the retries; it does not make them
fewer than each client may do. That is the retry budget's part (`retry_budget.py`).

Source: M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015; R. Metcalfe and D. Boggs,
"Ethernet", CACM 19(7), 1976.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import TypeAlias

Jitter: TypeAlias = Callable[["Backoff", int, int, Random], int]
"""The wait, from the backoff, the number of the wait, the wait before, and a source of chance."""


class Backoff:
    """The waits of one policy; the waits of one request are the caller's to remember."""

    __slots__ = ("_jitter", "_random", "base", "cap")

    def __init__(self, base: int, cap: int, random: Random, jitter: str = "full") -> None:
        """`base` and `cap` in nanoseconds; `jitter` is a name of `JITTERS`.

        Raises:
            ValueError: `base` is less than 1, `cap` less than `base`, or there is no such jitter.
        """
        if base < 1:
            raise ValueError(f"base must be at least 1 nanosecond, not {base}")
        if cap < base:
            raise ValueError(f"cap must be at least base, {base}, not {cap}")
        if jitter not in JITTERS:
            raise ValueError(f"jitter must be one of {', '.join(JITTERS)}, not {jitter!r}")
        self.base = base
        self.cap = cap
        self._random = random
        self._jitter = JITTERS[jitter]

    def delay(self, attempt: int, previous: int | None = None) -> int:
        """Nanoseconds to wait after try number `attempt`, the first being 0, has failed.

        `previous` is the wait before this one, None for the first; only decorrelated jitter asks for it.
        """
        return self._jitter(self, attempt, self.base if previous is None else previous, self._random)

    def ceiling(self, attempt: int) -> int:
        """min(cap, base * 2 ** attempt), in nanoseconds."""
        # Beyond the cap's bits there is nothing but a large number to be computed in vain.
        return min(self.cap, self.base << min(attempt, self.cap.bit_length()))


def _no_jitter(backoff: Backoff, attempt: int, previous: int, random: Random) -> int:
    return backoff.ceiling(attempt)


def _full_jitter(backoff: Backoff, attempt: int, previous: int, random: Random) -> int:
    return random.randrange(backoff.ceiling(attempt))


def _equal_jitter(backoff: Backoff, attempt: int, previous: int, random: Random) -> int:
    ceiling = backoff.ceiling(attempt)
    return random.randrange(ceiling // 2, ceiling)


def _decorrelated_jitter(backoff: Backoff, attempt: int, previous: int, random: Random) -> int:
    return min(backoff.cap, random.randrange(backoff.base, max(backoff.base + 1, 3 * previous)))


JITTERS: Mapping[str, Jitter] = MappingProxyType(
    {"none": _no_jitter, "full": _full_jitter, "equal": _equal_jitter, "decorrelated": _decorrelated_jitter}
)
"""Ways to choose a wait, by name."""
