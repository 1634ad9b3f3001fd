"""Expected wait: when a newcomer would be served, and how long that would take.

Rule: L places that are each held for S on average come free every S / L, so a newcomer with n before it waits
(n + 1) * S / L. It has a chance to be answered in time if

    now + wait + service <= deadline

where `service` is what 99 of 100 calls take at most. Whoever has not is refused while refusing is cheap.

Why the service time: to drop what has expired when its turn comes is *not* load shedding. Under overload the
survivors are those that are just not late, and after being served they are. With a capacity of 1,000/s, a
deadline of 100 ms and twice that load, 100 answers a second are in time; with the service time
subtracted, 990.

Bound: `service` is at most an eighth above the true 99th percentile of the remembered calls, and never below it.
Memory: 544 numbers. Recent calls count most: the mean is of about the last 100, and the counts are halved for
every 1,000.
Cost: O(1) a call, amortised: the percentile is looked up again for each 20.

What it does not do: foresee. A service that has just become slow is found out by the calls that end, so
the first waiters after that still wait in vain, until their latest moment to begin.

Source: J. Little, "A proof for the queuing formula L = lambda W", 1961; G. Tene, HdrHistogram (the buckets).
"""

from __future__ import annotations

MEMORY = 100
"""Calls of the mean."""

SHARE = 0.99
"""Of all calls, so many take no longer than `service`."""

_STEPS = 8  # buckets for each doubling
_DOUBLINGS = 66  # of a nanosecond: more than anybody waits
_LOWEST = 5 * _STEPS  # durations of up to 8 ns
_HALVED_AT = 1000
_LOOKED_UP_EACH = 20
_NOTHING = 1e-3  # of a call: what is left of one after ten thousand others


class ExpectedWait:
    """What calls took lately, and what that means for the next one."""

    __slots__ = ("_buckets", "_calls", "_highest", "_mean", "_recorded", "_unseen", "service")

    service: int
    """Nanoseconds that 99 of 100 calls take at most; 0 until there were 20."""

    def __init__(self) -> None:
        """Know nothing: until calls have ended, nobody is expected to wait."""
        self.service = 0
        self._mean = 0.0
        self._calls = 0
        self._buckets = [0.0] * (_STEPS * (_DOUBLINGS + 2))
        self._highest = _LOWEST
        self._recorded = 0.0
        self._unseen = _LOOKED_UP_EACH

    def record(self, held: int, *, served: bool = True) -> None:
        """A place was held for so many nanoseconds.

        `served` is false of a call whose caller left early: it tells how long places are held, and
        nothing about how long the service takes.
        """
        if self._calls < MEMORY:
            self._calls += 1
        self._mean += (held - self._mean) / self._calls
        if not served:
            return
        # Whole numbers only, so that every machine has the same: the doubling, and the three bits below it.
        length = held.bit_length()
        bucket = _STEPS * length + (held >> (length - 4)) if length > 3 else _LOWEST
        self._buckets[bucket] += 1.0
        if bucket > self._highest:
            self._highest = bucket
        self._unseen -= 1
        if not self._unseen:
            self._look_up()

    @property
    def known(self) -> bool:
        """Whether there is anything to expect by."""
        return self._calls > 0

    def wait(self, ahead: int, limit: int) -> int:
        """Nanoseconds until one with `ahead` before it has one of `limit` places, all of which are taken."""
        return round((ahead + 1) * self._mean / limit)

    def _look_up(self) -> None:
        self._recorded += _LOOKED_UP_EACH
        self._unseen = _LOOKED_UP_EACH
        above = self._recorded * (1 - SHARE)
        bucket = self._highest + 1
        while above >= 0 and bucket > _LOWEST:
            bucket -= 1
            above -= self._buckets[bucket]
        self.service = _upper_end(bucket)
        if self._recorded >= _HALVED_AT:
            self._buckets = [count / 2 for count in self._buckets]
            self._recorded /= 2
            while self._buckets[self._highest] < _NOTHING:
                self._buckets[self._highest] = 0.0
                self._highest -= 1


def _upper_end(bucket: int) -> int:
    """The longest duration of a bucket."""
    length, step = divmod(bucket - _STEPS, _STEPS)
    return ((_STEPS + step + 1) << (length - 4)) - 1
