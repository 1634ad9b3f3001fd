"""Preset: what somebody's defaults say, in this gateway's own mechanisms.

Rule: a preset is numbers only; `middleware_of` makes the real middleware of them, in the gateway's order: deadline,
retry, circuit breaker, bulkhead. Seconds throughout.

What it does not do: be the other product. What of it has no equal here is said in `left_out`.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from api_gateway.backend.healthy_endpoints import PANIC_THRESHOLD
from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.retry import DEFAULT_FAILURES, RetryMiddleware
from api_gateway.resilience import CircuitBreaker, CountWindow, RetryBudget, TimeWindow
from api_gateway.resilience.backoff import Backoff


class Retries(NamedTuple):
    """How often, of what, and how many in all."""

    attempts: int
    """Tries in all."""
    wait: float = 1e-9
    """Seconds: the first wait, or its ceiling."""
    longest: float = 1e-9
    """Seconds that no wait exceeds."""
    jitter: str = "none"
    on: tuple[str | int, ...] = DEFAULT_FAILURES
    budget: float | None = None
    """As a share of the requests; None for no bound."""
    minimum: int = 10
    """Retries in ten seconds that are allowed in any case."""


class Breaker(NamedTuple):
    """When it opens, and for how long."""

    window: int | float
    """A whole number is calls; any other, seconds, in ten buckets."""
    min_calls: int
    failure_rate: float
    open_for: float
    probes: int


class Preset(NamedTuple):
    """The defaults of one product."""

    name: str
    source: str
    """Where they are written, and when."""
    made_for: str
    """What they are good at."""
    left_out: str
    """What of them has no equal here."""
    timeout: float | None
    """Seconds for the head of each answer; None for ever."""
    deadline: float | None = None
    """Seconds for all tries together; None for no bound."""
    retries: Retries | None = None
    breaker: Breaker | None = None
    places: int | None = None
    """Calls at once."""
    outliers: OutlierDetection | None = None
    panic: float = PANIC_THRESHOLD
    """Share of healthy endpoints below which all are used."""


def middleware_of(preset: Preset, clock: Clock, random: Random) -> list[Middleware]:
    """The middleware of a service, outermost first."""
    made: list[Middleware] = []
    if preset.deadline is not None:
        made.append(DeadlineMiddleware(preset.deadline, clock))
    if preset.retries is not None:
        made.append(_retry(preset.retries, clock, random))
    if preset.breaker is not None:
        made.append(CircuitBreakingMiddleware("s", _circuit(preset.breaker), clock=clock))
    if preset.places is not None:
        made.append(BulkheadMiddleware(preset.places, name="s", clock=clock))
    return made


def settings(preset: Preset) -> tuple[str, ...]:
    """Its numbers in words: name, timeout, tries, budget; the breaker's window, minimum, rate and time; ejection."""
    retries, breaker, outliers = preset.retries, preset.breaker, preset.outliers
    circuit = ["-"] * 4
    if breaker is not None:
        window = f"{breaker.window} calls" if isinstance(breaker.window, int) else f"{breaker.window:g} s"
        circuit = [window, f"{breaker.min_calls}", f"{breaker.failure_rate:.0%}", f"{breaker.open_for:g} s"]
    return (
        preset.name,
        "none" if preset.timeout is None else f"{preset.timeout:g} s",
        "1" if retries is None else f"{retries.attempts}",
        "-" if retries is None or retries.budget is None else f"{retries.budget:.0%}",
        *circuit,
        "-" if outliers is None else f"{outliers.consecutive_errors} errors, {outliers.ejection_time:g} s",
    )


def _retry(retries: Retries, clock: Clock, random: Random) -> RetryMiddleware:
    budget = None if retries.budget is None else RetryBudget(retries.budget, minimum=retries.minimum)
    backoff = Backoff(_nanoseconds(retries.wait), _nanoseconds(retries.longest), random, retries.jitter)
    return RetryMiddleware(retries.attempts, backoff, budget, on=retries.on, clock=clock)


def _circuit(breaker: Breaker) -> CircuitBreaker:
    window = breaker.window
    return CircuitBreaker(
        CountWindow(window) if isinstance(window, int) else TimeWindow(_nanoseconds(window)),
        min_calls=breaker.min_calls,
        failure_rate=breaker.failure_rate,
        open_for=_nanoseconds(breaker.open_for),
        half_open_calls=breaker.probes,
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)
