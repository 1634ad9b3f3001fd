"""What a service's configuration asks for stands around it, in the stated order, and works: in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random

import pytest

from api_gateway import ApiGateway, BackendService, ConfigurationError, Request, Response, build_gateway
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.middleware.metrics.metrics_middleware import MetricsMiddleware
from api_gateway.server.status import services_of
from api_gateway.simulation import (
    Constant,
    Experiment,
    FakeService,
    Fault,
    Steady,
    VirtualClock,
    closed_loop,
    open_loop,
    run,
)

ROUTES = [{"path": "/*", "service": "orders"}]
EVERYTHING: Mapping[str, object] = {
    "concurrency": {"limit": 10, "queue": 5},
    "circuit_breaker": {},
    "throttle": {},
    "hedge": {"after": "50ms"},
    "retry": {},
    "fallback": {"body": {"orders": []}},
}


def built(
    policies: Mapping[str, object],
    services: Sequence[object],
    *,
    middleware: Sequence[object] = (),
    routes: Sequence[object] = ROUTES,
    more: Mapping[str, object] = {},
) -> ApiGateway:
    """A gateway before services in this process; in virtual time only."""
    config = {"services": {"orders": policies}, "middleware": list(middleware), "routes": list(routes)}
    return build_gateway(config, {"orders": list(services), **more}, clock=VirtualClock(), random=Random(1))


def service_of(gateway: ApiGateway) -> BackendService:
    service = gateway.services["orders"]
    assert isinstance(service, BackendService)
    return service


def sample(gateway: ApiGateway, metric: str, /, **labels: str) -> float | None:
    (metrics,) = (layer for layer in gateway.middleware if isinstance(layer, MetricsMiddleware))
    return metrics.registry.get_sample_value(f"api_gateway_{metric}", labels)


def in_virtual_time(main: Callable[[], Coroutine[object, object, None]]) -> Callable[[], None]:
    def test() -> None:
        run(main)

    test.__name__ = main.__name__
    return test


def fake(seconds: float = 0.01, *faults: Fault, workers: int = 100) -> FakeService:
    return FakeService(seconds, workers=workers, faults=faults, random=Random(7))


def answered(experiment: Experiment, status: int = 200) -> int:
    return experiment.statuses()[status]


@in_virtual_time
async def test_the_layers_have_their_order_whatever_the_order_of_the_keys() -> None:
    gateway = built(EVERYTHING, [fake()])
    assert [type(layer).__name__ for layer in service_of(gateway).middleware] == [
        "FallbackMiddleware",
        "RetryMiddleware",
        "HedgeMiddleware",
        "ThrottleMiddleware",
        "CircuitBreakingMiddleware",
        "BulkheadMiddleware",
        "RemainingDeadlineMiddleware",
    ]


@in_virtual_time
async def test_without_any_of_the_keys_a_service_is_told_of_the_deadline_and_nothing_else() -> None:
    gateway = built({}, [fake()])
    assert [type(layer).__name__ for layer in service_of(gateway).middleware] == ["RemainingDeadlineMiddleware"]


@in_virtual_time
async def test_retries_hide_an_endpoint_that_refuses() -> None:
    gateway = built({"retry": {"attempts": 2, "budget": 1}}, [fake(), fake(0.01, Fault("refuse", 0))])
    experiment = Experiment(gateway)
    await open_loop(Steady(50), 20, experiment.send, Random(2))
    assert answered(experiment) == len(experiment.outcomes) > 900
    assert sample(gateway, "retries_total", service="orders") == sum(
        outcome.attempts - 1 for outcome in experiment.outcomes
    )


@in_virtual_time
async def test_a_hedge_hides_an_endpoint_that_hangs_and_its_losers_leave_nothing() -> None:
    policies = {"hedge": {"after": "50ms", "max_extra": 1.0}}
    gateway = built(policies, [fake(), fake(0.01, Fault("hang", 0))], middleware=[{"deadline": "1s"}])
    experiment = Experiment(gateway)
    await open_loop(Steady(20), 20, experiment.send, Random(2))
    assert answered(experiment) == len(experiment.outcomes)
    assert experiment.latency(1.0) < 0.07
    assert [endpoint.in_flight for endpoint in service_of(gateway).endpoints] == [0, 0]
    assert (sample(gateway, "hedges_total", service="orders") or 0) > 100


@in_virtual_time
async def test_a_breaker_opens_and_is_shown_in_metrics_and_services_and_closes_again() -> None:
    policies = {"circuit_breaker": {"window": 10, "min_calls": 5, "open_for": "5s", "half_open_calls": 2}}
    gateway = built(policies, [fake(0.01, Fault("refuse", 10, 30))])
    experiment = Experiment(gateway)
    experiment.watch("open", lambda: float(services_of(gateway)[0].circuit_breaker == "open"))
    experiment.watch("closed", lambda: float(services_of(gateway)[0].circuit_breaker == "closed"))
    async with experiment.sampling(every=1.0):
        await open_loop(Steady(50), 60, experiment.send, Random(2))
    opened, closed = (dict(experiment.series[state]) for state in ("open", "closed"))
    assert closed[5] == closed[max(closed)] == 1
    assert sum(value for time, value in opened.items() if 11 < time < 30) > 15
    flags = [outcome.flag for outcome in experiment.outcomes if outcome.status == 503]
    assert flags
    assert set(flags) == {"UO"}
    assert sample(gateway, "circuit_refusals_total", service="orders") == len(flags)
    assert answered(experiment, 502) < 30, "the calls that tripped it, and the probes"


@in_virtual_time
async def test_a_throttle_spares_a_service_that_refuses_much() -> None:
    service = FakeService(0.1, workers=10, queue=0, random=Random(3))  # 100 a second
    experiment = Experiment(built({"throttle": {"k": 1.5, "window": "10s"}}, [service]))
    await open_loop(Steady(1000), 10, experiment.send, Random(2))
    assert service.arrived < 0.3 * len(experiment.outcomes)
    assert answered(experiment) > 0.8 * 100 * 10


@in_virtual_time
async def test_no_more_are_in_flight_and_waiting_than_configured() -> None:
    service = fake(1.0)
    gateway = built({"concurrency": {"limit": 3, "queue": 2}}, [service])
    experiment = Experiment(gateway)
    experiment.watch("present", lambda: service.present)
    async with experiment.sampling(every=0.1):
        await open_loop(Steady(30), 20, experiment.send, Random(2))
    assert max(value for _, value in experiment.series["present"]) == 3
    assert sample(gateway, "concurrency_limit", name="orders") == 3
    refused = sample(gateway, "concurrency_refusals_total", name="orders", priority="default", reason="full")
    assert refused
    assert answered(experiment, 503) >= refused


@in_virtual_time
async def test_a_limit_that_is_found_out_stays_near_what_the_service_can_do() -> None:
    service = FakeService(0.05, workers=20, random=Random(3))  # 400 a second
    experiment = Experiment(built({"concurrency": {"limit": "adaptive", "algorithm": "vegas"}}, [service]))
    await open_loop(Steady(800), 10, experiment.send, Random(2))
    assert answered(experiment) > 0.9 * 400 * 10
    assert experiment.latency(0.5, 200) < 0.15


@in_virtual_time
async def test_a_fallback_answers_when_all_else_has_failed() -> None:
    stated = built({"fallback": {"body": {"orders": []}}}, [fake(0.01, Fault("refuse", 0))])
    response = await stated.handle(Request("GET", "/"))
    assert (response.status, response.header("x-gateway-fallback")) == (200, "true")
    assert await response.read() == b'{"orders": []}'
    assert sample(stated, "fallbacks_total", service="orders") == 1


@in_virtual_time
async def test_another_service_may_answer_instead_even_one_that_is_made_later() -> None:
    async def yesterday(_request: object, _context: object) -> Response:
        return Response.text("yesterday's orders")

    policies = {"fallback": {"service": "archive"}}
    gateway = built(policies, [fake(0.01, Fault("refuse", 0))], more={"archive": yesterday})
    response = await gateway.handle(Request("GET", "/"))
    assert await response.read() == b"yesterday's orders"


@in_virtual_time
async def test_an_endpoint_that_fails_its_checks_is_passed_over_and_comes_back() -> None:
    policies = {
        "health_check": {"path": "/health", "interval": "1s", "unhealthy_after": 2, "healthy_after": 2},
        "slow_start": "5s",
    }
    sick = fake(0.01, Fault("refuse", 10, 20))
    gateway = built(policies, [fake(), fake(), sick])
    async with gateway:
        experiment = Experiment(gateway)
        await open_loop(Steady(50), 40, experiment.send, Random(2))
        url = service_of(gateway).endpoints[2].url
        failed = [outcome for outcome in experiment.outcomes if outcome.status != 200]
        assert failed
        assert all(10 <= outcome.sent <= 12.1 for outcome in failed)
        assert any(outcome.endpoint == url for outcome in experiment.outcomes if outcome.sent > 25)
        assert sample(gateway, "endpoint_healthy", service="orders", endpoint=url) == 1


@in_virtual_time
async def test_an_endpoint_whose_answers_are_errors_is_ejected() -> None:
    policies = {"outlier_detection": {"consecutive_errors": 3, "ejection_time": "10s", "max_ejection": 0.5}}
    gateway = built(policies, [fake(), fake(), fake(0.01, Fault("refuse", 5, 6))])
    experiment = Experiment(gateway)
    await open_loop(Steady(100), 20, experiment.send, Random(2))
    assert answered(experiment, 502) == 3
    assert sample(gateway, "outlier_ejections_total", service="orders") == 1


@in_virtual_time
async def test_a_route_may_have_its_own() -> None:
    async def steady(_request: object, _context: object) -> Response:
        return Response.text("ok")

    retried = {"path": "/retried", "service": "orders", "middleware": [{"retry": {"budget": 1}}]}
    gateway = built({}, [fake(0.01, Fault("refuse", 0)), steady], routes=[retried, *ROUTES])
    statuses = []
    for path in ["/retried", "/plain"] * 4:
        response = await gateway.handle(Request("GET", path))
        await response.close()
        statuses.append(response.status)
    assert set(statuses[::2]) == {200}
    assert 502 in statuses[1::2]
    assert (sample(gateway, "retries_total", service="route /retried") or 0) > 0


@in_virtual_time
async def test_load_shedding_needs_no_options() -> None:
    gateway = built({}, [fake()], middleware=["load_shedding"])
    experiment = Experiment(gateway)
    await closed_loop(5, Constant(0.01), 5, experiment.send, Random(2))
    assert answered(experiment) == len(experiment.outcomes) > 1000
    assert sample(gateway, "concurrency_in_flight", name="load_shedding") == 0


def test_every_policy_of_a_service_is_in_the_order_test() -> None:
    beside = {"endpoints", "load_balancer", "transport", "timeout", "tls"}
    of_endpoints = {"health_check", "outlier_detection", "slow_start", "panic_threshold"}
    assert set(ServiceConfig.model_fields) - beside - of_endpoints == set(EVERYTHING)


@pytest.mark.parametrize("name", ["retry", "hedge", "fallback", "concurrency", "load_shedding"])
def test_what_a_list_may_have_beside_a_service(name: str) -> None:
    assert name in MiddlewareEntry.model_fields


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"endpoints": ["http://h:1"]}, "services.orders: service 'orders' is given in the configuration and in-pro"),
        ({"timeout": {"request": "1s"}}, "services.orders.timeout: service 'orders' is in-process, where there is no"),
        ({"slow_start": "5s"}, "services.orders.slow_start: slow_start has nothing to do"),
        ({"fallback": {"service": "nobody"}}, "services.orders.fallback.service: service 'nobody' is not defined"),
        ({"fallback": {"service": "orders"}}, "stand in for each other in a circle"),
    ],
)
def test_what_does_not_fit_together_is_refused(policies: Mapping[str, object], said: str) -> None:
    config = {"services": {"orders": policies}, "routes": ROUTES}
    with pytest.raises(ConfigurationError) as error:
        build_gateway(config, {"orders": fake()})
    assert said in str(error.value)


def test_a_routes_fallback_names_a_service_that_is_there() -> None:
    routes = [{"path": "/*", "service": "orders", "middleware": [{"fallback": {"service": "nobody"}}]}]
    with pytest.raises(ConfigurationError, match=r"middleware\[0\].fallback.service: service 'nobody' is not defined"):
        build_gateway({"routes": routes}, {"orders": fake()})


def test_a_service_that_is_complete_cannot_be_configured() -> None:
    service = BackendService("orders", [], transport=None)  # type: ignore[arg-type]  # never asked
    with pytest.raises(ConfigurationError, match="is complete, and cannot be configured"):
        build_gateway({"services": {"orders": {"retry": {}}}, "routes": ROUTES}, {"orders": service})
