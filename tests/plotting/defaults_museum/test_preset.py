from random import Random

from api_gateway.core.clock import ManualClock
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.plotting.defaults_museum.preset import Breaker, Preset, Retries, middleware_of, settings

EMPTY = Preset("p", "s", "m", "l", None)
FULL = Preset("p", "s", "m", "l", 2.0, 3.0, Retries(3, budget=0.2), Breaker(10.0, 20, 0.5, 5.0, 1), places=10)


def test_the_middleware_is_real_and_in_the_gateways_order() -> None:
    made = middleware_of(FULL, ManualClock(), Random(1))
    kinds = [DeadlineMiddleware, RetryMiddleware, CircuitBreakingMiddleware, BulkheadMiddleware]
    assert [type(one) for one in made] == kinds


def test_what_is_off_is_not_there() -> None:
    assert middleware_of(EMPTY, ManualClock(), Random(1)) == []
    assert settings(EMPTY) == ("p", "none", "1", *["-"] * 6)


def test_the_settings_in_words() -> None:
    assert settings(FULL) == ("p", "2 s", "3", "20%", "10 s", "20", "50%", "5 s", "-")
    assert settings(FULL._replace(breaker=Breaker(100, 100, 0.5, 60.0, 10)))[4] == "100 calls"
