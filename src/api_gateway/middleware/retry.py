"""Retry: ask again, where that is safe, worth it, and not too much.

Rule: a try that failed in one of the ways of `on` (`failures.py`) is repeated only if all of this holds.

    safe      nothing of the request was sent; or the method is idempotent. A POST that may have arrived is
              never sent twice, whatever became of it (Traefik issue 8990).
    possible  the body is complete in memory, or a stream that nobody has begun to read.
    allowed   fewer than `attempts` tries so far, the first included, and the budget has one left.
    in time   the wait ends before the deadline.

The wait is full jitter (`resilience/backoff.py`). If the answer has a Retry-After, that comes first and the jitter
on top, so that clients sent away together do not come back together; longer than `max_retry_after`, the answer is
for the client to keep. Whatever does not hold, the last answer or error is what the client gets, as it is. The
decision is made on the head: nothing of an answer was passed on, and it is closed before the wait.

Retry and breaker do not fight, as in Spring Cloud Gateway (issues 1567, 2524, 4015). The breaker is inside: it
sees every try. What the gateway refuses by itself (CircuitOpen, NoHealthyEndpoint, Overloaded, RateLimited,
DeadlineExceeded) is not retried: asking again is what the refusal is to prevent. So if the breaker opens after
the first try, the second is refused without a call, and CircuitOpen is the last answer.

Bound: calls <= attempts * requests, and, by the budget, (1 + share) * requests and a minimum for each window. If
calls fail independently with probability p, and there is budget, r = attempts - 1 retries make
(1 - p ** (r + 1)) / (1 - p) calls of one request.
Cost: 0.7 us for a request that succeeds, 0.5 of it the budget.

A retry is counted when it is decided, before its wait: the answer can be given back only then, and a crowd that
waits must not be free (Envoy issue 30205). A client that leaves during the wait ends it; its retry stays counted.

What it does not do: bound each try (`timeout` does), choose an endpoint (`RequestContext.tried` says which were
asked), or repeat what broke off in the middle of its body.

Source: Envoy, route retry policy; RFC 9110 sections 9.2.2 and 10.2.3; M. Brooker, "Exponential backoff and
jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.middleware import Handler
from api_gateway.core.request import IDEMPOTENT_METHODS, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamError
from api_gateway.core.xray.facts import Facts, duration
from api_gateway.middleware.failures import SERVICE_FAILURES, Failures
from api_gateway.middleware.repeatable import UntouchedBody
from api_gateway.middleware.retry_after import retry_after
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.retry_budget import RetryBudget

DEFAULT_FAILURES: tuple[str | int, ...] = ("connect_error", 502, 503, 504)
"""What is retried unless somebody says otherwise."""

MAX_RETRY_AFTER = NANOSECONDS
"""Nanoseconds: longer than that, nobody is kept waiting for a service that asks for time."""


class RetryMiddleware:
    """Repeats what failed, for all requests to one service."""

    __slots__ = (
        "_attempts",
        "_backoff",
        "_budget",
        "_clock",
        "_failures",
        "_max_retry_after",
        "exhausted",
        "out_of_budget",
        "out_of_time",
        "retries",
    )

    retries: int
    """Tries made, the first of each request not counted."""
    exhausted: int
    """Requests whose last try failed too."""
    out_of_budget: int
    """Retries that the budget refused."""
    out_of_time: int
    """Retries that would have come after the deadline, or later than anybody is kept waiting."""

    def __init__(
        self,
        attempts: int,
        backoff: Backoff,
        budget: RetryBudget | None,
        *,
        on: Iterable[str | int] = DEFAULT_FAILURES,
        max_retry_after: int = MAX_RETRY_AFTER,
        clock: Clock | None = None,
    ) -> None:
        """`attempts` counts all tries; without a budget each request may have all of them.

        Raises:
            ValueError: there is no attempt, or `on` has something that is not a failure of a service.
        """
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, the first try, not {attempts}")
        self._attempts = attempts
        self._backoff = backoff
        self._budget = budget
        self._failures = Failures(on, SERVICE_FAILURES)
        self._max_retry_after = max_retry_after
        self._clock = clock or SystemClock()
        self.retries = self.exhausted = self.out_of_budget = self.out_of_time = 0

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Ask until there is an answer to pass on.

        Raises:
            UpstreamError: the last try's.
        """
        if self._budget is not None:
            self._budget.record_request(self._clock.monotonic())
        if not isinstance(request.body, bytes):
            request = request.with_body(UntouchedBody(request.body))
        tries = 0
        wait: int | None = None
        while True:
            tries += 1
            try:
                response = await call_next(request, context)
            except UpstreamError as error:
                safe = not error.sent or request.method in IDEMPOTENT_METHODS
                wait = self._wait(tries, wait, 0, request, context) if safe and self._failures.include(error) else None
                if wait is None:
                    raise
            else:
                if response.status not in self._failures.statuses or request.method not in IDEMPOTENT_METHODS:
                    return response
                asked_for = retry_after(response, self._clock) or 0
                wait = self._wait(tries, wait, asked_for, request, context)
                if wait is None:
                    return response
                await response.close()
            context.tried = (*context.tried, context.endpoint)
            await asyncio.sleep(wait / NANOSECONDS)
            self.retries += 1

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """How often it may be asked, on what, and what the budget allows."""
        now = self._clock.monotonic()
        return {
            "attempts": self._attempts,
            "on": self._failures.listed,
            "idempotent": request.method in IDEMPOTENT_METHODS,
            "first wait up to": duration(self._backoff.ceiling(0)),
            "budget left": None if self._budget is None else self._budget.remaining(now),
            "left": None if context.deadline is None else duration(context.deadline - now),
        }

    def _wait(
        self, tries: int, previous: int | None, asked_for: int, request: Request, context: RequestContext
    ) -> int | None:
        """Nanoseconds to wait for another try, which is counted; None if there shall be none."""
        if isinstance(request.body, UntouchedBody) and request.body.touched:
            return None
        if tries >= self._attempts:
            self.exhausted += 1
            return None
        wait = asked_for + self._backoff.delay(tries - 1, previous)
        now = self._clock.monotonic()
        late = context.deadline is not None and now + wait >= context.deadline
        if late or asked_for > self._max_retry_after:
            self.out_of_time += 1
            return None
        if self._budget is not None and not self._budget.acquire(now):
            self.out_of_budget += 1
            return None
        return wait
