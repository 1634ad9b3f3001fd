"""Sliding window log: remember when each request was admitted, and count those of the last period.

Rule: a stamp is live for a period P. Admit if the live stamps and the cost are together at most N.

Bound: N * ceil(W / P) in any half-open time W: N in *every* window of length P, wherever it begins. The
only algorithm here that keeps the promise that people read into "N per period".
Memory: N stamps of 8 bytes a key, and as much again at worst until the expired ones are cleared. Ten
thousand per hour for a million keys is 80 GB: "accurate, but dear" is true of the log alone.
Cost: O(c) amortised: each stamp is written once, passed once and cleared once; a refusal passes at most
as many as it costs. `decide`, which must not change the log it is given, copies it: 8 bytes a stamp.

What it does not do: spread requests. A client that spends its N at once waits a whole period, and then
may spend them at once again.

Source: the definition itself, taken at its word. With Redis it is known as ZREMRANGEBYSCORE, ZCARD and ZADD
on a sorted set.
"""

from __future__ import annotations

from array import array

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Decision, Quota, new_decision

_new = tuple.__new__


class Log:
    """The stamps of one key, oldest first; the first `expired` of them no longer count."""

    __slots__ = ("expired", "latest", "oldest", "stamps")

    oldest: int
    """The first stamp that counts. This and `latest` are here as well because to take one out of an array makes a
    number anew, which is a twentieth of a decision each time."""
    latest: int
    """The last stamp."""

    def __init__(self, stamps: array[int], expired: int = 0) -> None:
        self.stamps = stamps
        self.expired = expired
        self.latest = stamps[-1] if stamps else 0
        self.oldest = self._first_that_counts() if stamps else 0

    def expired_by(self, latest: int) -> int:
        """How many stamps are `latest` or before."""
        stamps, expired, count = self.stamps, self.expired, len(self.stamps)
        while expired < count and stamps[expired] <= latest:
            expired += 1
        return expired

    def forget(self, expired: int) -> None:
        """Let the first `expired` no longer count, and clear them when they are more than the others.

        Then no more is moved than has expired, so each stamp pays for its own clearing.
        """
        if 2 * expired > len(self.stamps):
            del self.stamps[:expired]
            expired = 0
        self.expired = expired
        self.oldest = self._first_that_counts()

    def _first_that_counts(self) -> int:
        first = self.stamps[self.expired]
        return self.latest if first == self.latest else first  # one number, 32 bytes, where one will do

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Log) and self.stamps[self.expired :] == other.stamps[other.expired :]

    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content changes


class SlidingWindowLog(KeyedRateLimiter[Log]):
    """N in every window of length P."""

    __slots__ = ()

    @classmethod
    def quota_of(cls, limit: int, period: float, burst: int | None) -> Quota:
        """A window has no burst of its own."""
        return Quota.of_window(limit, period, burst)

    def decide(self, state: Log | None, now: int, cost: int = 1) -> tuple[Log | None, Decision]:
        """See the base class."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        log = self.kept(state) or Log(array("q"))
        decision = self._add(log, now, cost)
        return (log if decision.allowed else state), decision

    def kept(self, state: Log | None) -> Log | None:
        """See the base class."""
        return None if state is None else Log(state.stamps[state.expired :])

    def is_idle(self, state: Log, now: int) -> bool:
        """See the base class."""
        return not state.stamps or state.stamps[-1] + self.quota.period <= now

    def acquire(self, key: str, now: int, cost: int = 1) -> Decision:
        """See the base class; without the copy that `decide` makes, and flat, which takes two thirds of the time."""
        log = self.table.young.get(key)
        if log is None:
            log = self.table.old.get(key)
        if log is None or cost < 1:
            return KeyedRateLimiter.acquire(self, key, now, cost)
        stamps, expired = log.stamps, log.expired
        if cost > 1 or log.latest > now:
            return self._add(log, now, cost)
        quota = self.quota
        limit, period = quota.limit, quota.period
        if log.oldest <= now - period:
            expired = log.expired_by(now - period)
        remaining = limit - 1 - len(stamps) + expired
        if remaining < 0:
            return self._add(log, now, cost)
        stamps.append(now)
        log.latest = now
        if expired:
            log.forget(expired)
        return _new(Decision, (True, limit, remaining, period, None, 0))

    def _add(self, log: Log, now: int, cost: int) -> Decision:
        """Change `log` itself, if the cost is admitted."""
        limit, period = self.quota.limit, self.quota.period
        stamps = log.stamps
        latest = stamps[-1] if stamps and stamps[-1] > now else now  # later only if the clock went back
        expired = log.expired_by(latest - period)
        free = limit - len(stamps) + expired
        if cost > free:
            retry_after = stamps[expired + cost - free - 1] + period - now if cost <= limit else None
            reset_after = stamps[-1] + period - now if free < limit else 0
            return new_decision((False, limit, free, reset_after, retry_after, 0))
        if cost:
            stamps.extend([latest] * cost)
            log.latest = latest
            log.forget(expired)
        reset_after = stamps[-1] + period - now if free - cost < limit else 0
        return new_decision((True, limit, free - cost, reset_after, None, 0))
