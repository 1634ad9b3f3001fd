"""Build resilience: retries, breakers and their like, made of their options.

Seconds of the configuration become whole nanoseconds here.

What it does not do: place them. `build.py` says in which order they stand around a service.
"""

from __future__ import annotations

from api_gateway.build_tools import Tools
from api_gateway.config.circuit_breaker_schema import CircuitBreakerConfig
from api_gateway.config.fallback_schema import FallbackConfig
from api_gateway.config.hedge_schema import HedgeConfig
from api_gateway.config.retry_schema import RetryConfig
from api_gateway.config.service_schema import TimeoutConfig
from api_gateway.config.throttle_schema import ThrottleConfig
from api_gateway.core.clock import NANOSECONDS
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.fallback import FallbackMiddleware, StatedResponse
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.middleware.throttle import ThrottleMiddleware
from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.circuit_breaker import LOST_AFTER, CircuitBreaker
from api_gateway.resilience.hedging import Hedging
from api_gateway.resilience.outcome_window import CountWindow, OutcomeWindow, TimeWindow
from api_gateway.resilience.retry_budget import RetryBudget

_TENTHS = 10
_SIXTIETHS = 60


def fallback(options: FallbackConfig, tools: Tools) -> FallbackMiddleware:
    """What is answered instead of a failure."""
    if options.service is None:
        return FallbackMiddleware(StatedResponse(*options.response), on=options.on or ())
    return FallbackMiddleware(tools.service_named(options.service), on=options.on or ())


def retry(options: RetryConfig, tools: Tools) -> RetryMiddleware:
    """Asking again."""
    return RetryMiddleware(
        options.attempts,
        Backoff(_nanoseconds(options.backoff), _nanoseconds(options.longest_backoff), tools.random),
        RetryBudget(options.budget),
        on=options.on,
        max_retry_after=_nanoseconds(options.max_retry_after),
        clock=tools.clock,
    )


def hedge(options: HedgeConfig, tools: Tools) -> HedgeMiddleware:
    """Asking twice."""
    return HedgeMiddleware(Hedging(_nanoseconds(options.after), options.max_extra), tools.clock)


def throttle(options: ThrottleConfig, name: str, tools: Tools) -> ThrottleMiddleware:
    """Asking the service `name` less while it refuses much."""
    throttle = AdaptiveThrottle(options.k, window=_nanoseconds(options.window, _SIXTIETHS))
    return ThrottleMiddleware(name, throttle, random=tools.random, clock=tools.clock)


def circuit_breaker(
    options: CircuitBreakerConfig, name: str, timeout: TimeoutConfig, tools: Tools
) -> CircuitBreakingMiddleware:
    """Not asking the service `name` for a while; `timeout` says how long one call may take."""
    breaker = CircuitBreaker(
        _window(options),
        min_calls=options.least_calls,
        failure_rate=options.failure_rate,
        open_for=_nanoseconds(options.open_for),
        half_open_calls=options.half_open_calls,
        slow_after=None if options.slow_call_after is None else _nanoseconds(options.slow_call_after),
        slow_rate=1.0 if options.slow_call_rate is None else options.slow_call_rate,
        lost_after=max(LOST_AFTER, 2 * _nanoseconds(timeout.connect + timeout.request)),
    )
    return CircuitBreakingMiddleware(name, breaker, failure_statuses=options.statuses, clock=tools.clock)


def _window(options: CircuitBreakerConfig) -> OutcomeWindow:
    if options.window_seconds is not None:
        return TimeWindow(_nanoseconds(options.window_seconds, _TENTHS), _TENTHS)
    assert options.window_calls is not None, "a window is a count or a time"
    return CountWindow(options.window_calls)


def _nanoseconds(seconds: float, parts: int = 1) -> int:
    """Whole nanoseconds that can be cut into so many equal parts."""
    return round(seconds * NANOSECONDS / parts) * parts
