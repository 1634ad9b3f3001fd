"""Retry budget: retries as a share of the requests, for all clients together.

Rule: over a sliding window (`sliding_sums.py`), a retry is allowed while the retries, with this one, are at
most `share` of the requests, or at most `minimum`. The minimum lets a quiet service retry at all: a fifth
of one request is none.

Bound: up to any moment, retries <= share * requests + minimum * (windows so far, the first included). So
where there is traffic, calls are at most 1 + share times the requests, whatever fails and however many
attempts each request may make. Without it, r retries make 1 + r of one request when all fail, and
(1 + r) ** L through L layers: load that keeps a service down after its trouble is over.
Why the bound holds: the windows that end at the last retry, at the last one before that window, and so
on backwards, do not overlap and hold every retry; in each of them the rule was kept.
Memory: two numbers a bucket.
Cost: O(1).

Why a share of requests and not of those in flight, as Envoy has it: what is in flight are few where calls
fail fast and many where they hang, so there 20 % means five times the calls in one trouble and none in the
other; and what waits to be retried must be counted or not (Envoy issue 30205). A share of requests bounds
just what the service feels. Why a window and not Finagle's tokens: a token bucket of the same share lets
whoever saved in good times spend all of it at once in bad ones; a window remembers as long, and its
bound is one line.

What it does not do: choose who may retry (first come, first served), or give back a retry that was not
made after all. What hedging may add is the same question, and has a budget of its own.

Source: Finagle, RetryBudget (20 %, 10 s); Envoy, retry_budget; N. Bronson et al., "Metastable failures in
distributed systems", HotOS 2021.
"""

from __future__ import annotations

from api_gateway.resilience.share import Share
from api_gateway.resilience.sliding_sums import SlidingSums

WINDOW = 10_000_000_000
"""Nanoseconds, as Finagle has it."""

MINIMUM = 10
"""Retries in a window: one each second."""

_REQUESTS, _RETRIES = 0, 1


class RetryBudget:
    """Shared by all requests to one service."""

    __slots__ = ("_sums", "minimum", "share", "window")

    def __init__(self, share: float, *, minimum: int = MINIMUM, window: int = WINDOW, buckets: int = 10) -> None:
        """`share` of the requests, or `minimum` retries, in `window` nanoseconds.

        Raises:
            ValueError: the share is not within (0, 1], the minimum is negative, or the window cannot be cut.
        """
        if minimum < 0:
            raise ValueError(f"minimum must not be negative, is {minimum}")
        self.share = Share.of("share", share)
        self.minimum = minimum
        self.window = window
        self._sums = SlidingSums(window, buckets, columns=2)

    def record_request(self, now: int) -> None:
        """A client's request arrived at `now`, monotonic nanoseconds; once, before any retry of it."""
        self._sums.add(now, _REQUESTS)

    def acquire(self, now: int) -> bool:
        """Whether one more retry may be made; if so, it is counted."""
        if self.remaining(now) < 1:
            return False
        self._sums.add(now, _RETRIES)
        return True

    def remaining(self, now: int) -> int:
        """How many retries would be allowed at `now`."""
        requests, retries = self._sums.sums(now)
        allowed = max(self.minimum, requests * self.share.numerator // self.share.denominator)
        return max(0, allowed - retries)
