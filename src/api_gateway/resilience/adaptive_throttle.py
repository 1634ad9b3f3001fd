"""Adaptive throttle: the caller of an overloaded service refuses by itself what would be refused anyway.

Rule: over a sliding window, count the requests and how many of them the service accepted. Refuse the next one,
before it is sent, with probability

    p = max(0, (requests - K * accepts) / (requests + 1)),    at most `ceiling`

What is refused here counts as a request and not as an accept, so p rises until K times what is accepted goes out.

Bound: a service that accepts C a second is asked about K * C times a second, however great the demand D is,
once a window has passed: p = 1 - K * C / D. With K = 2 it refuses as many as it accepts, and learns at
once of more room; with K = 1.1 it is spared nearly all of that. Nearer to 1 it is used less than it could be:
what it refuses by chance, in a moment of many requests, is taken for a sign, and C itself shrinks.
Memory: two numbers a bucket.
Cost: O(1).

Counted when a call *ends*, the request together with its accept: a request that is still under way proves
nothing. Counted when it begins, the first ten calls of a gateway that has just started would be ten requests
and no accept, and nine of ten would be refused.

The ceiling: when nothing at all was accepted for a window, the formula lets one of requests + 1 out: one in
two minutes, whatever the traffic, and then K times what was accepted, which is next to nothing. So at least
1 - `ceiling` of the demand always goes out. With 200 requests/s, after an outage of five minutes, a service
has half of its traffic again after 9 to 15 minutes without a ceiling, 5.5 with 0.99, and 3 with 0.9.
Where outages are total, and not overload, a circuit breaker does better: it is back with its probes.

What it does not do: draw. `draw` is a number from [0, 1), so that a run can be repeated.

Source: Site Reliability Engineering, 2016, ch. 21, "Client-Side Throttling"; the ceiling: Envoy,
admission control, max_rejection_probability.
"""

from __future__ import annotations

from api_gateway.resilience.sliding_sums import SlidingSums

WINDOW = 120_000_000_000
"""Nanoseconds: two minutes."""

CEILING = 0.99
"""The greatest probability of a refusal: of a hundred requests one always goes out."""

_REQUESTS, _ACCEPTS = 0, 1


class AdaptiveThrottle:
    """Throttles the calls to one service."""

    __slots__ = ("_sums", "ceiling", "k")

    def __init__(self, k: float = 2.0, *, window: int = WINDOW, buckets: int = 60, ceiling: float = CEILING) -> None:
        """`k` requests for one that is accepted, over `window` nanoseconds.

        Raises:
            ValueError: `k` is less than 1, `ceiling` no probability, or the window cannot be cut.
        """
        if not k >= 1:
            raise ValueError(f"k must be at least 1, or a healthy service would be refused to, not {k}")
        if not 0 <= ceiling <= 1:
            raise ValueError(f"ceiling must be from 0 to 1, not {ceiling}")
        self.k = k
        self.ceiling = ceiling
        self._sums = SlidingSums(window, buckets, columns=2)

    def refusal_probability(self, now: int) -> float:
        """How likely the next request is refused; `now` is monotonic nanoseconds."""
        requests, accepts = self._sums.sums(now)
        return min(self.ceiling, max(0.0, (requests - self.k * accepts) / (requests + 1)))

    def counts(self, now: int) -> tuple[int, int]:
        """Requests of the window, and how many of them were accepted."""
        requests, accepts = self._sums.sums(now)
        return requests, accepts

    def admit(self, now: int, draw: float) -> bool:
        """Whether to send a request. If so, `record` how it ended; if not, it is counted."""
        if draw >= self.refusal_probability(now):
            return True
        self._sums.add(now, _REQUESTS)
        return False

    def record(self, now: int, *, accepted: bool) -> None:
        """A request that was sent ended; not for one of which nobody knows what the service made of it."""
        self._sums.add(now, _REQUESTS)
        if accepted:
            self._sums.add(now, _ACCEPTS)
