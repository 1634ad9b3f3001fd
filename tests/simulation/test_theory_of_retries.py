"""Retries against theory, through whole gateways: amplification, layers, and what a budget makes of both.

`tests/middleware/test_retry.py` has the middleware alone; here a layer is a gateway with a service behind it, so that a
retry of one layer is a request to the next.
"""

from __future__ import annotations

from random import Random

import pytest

from api_gateway import BackendService, Endpoint, Request, RequestContext, Response, build_gateway
from api_gateway.core.middleware import Handler
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.simulation import FakeService, VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport

MS = 1_000_000
URL = "in-process://s"


def layer(handler: Handler, retries: int, clock: VirtualClock, random: Random, budget: float | None) -> Handler:
    """A gateway before `handler`: to whoever asks it, a service that fails more rarely."""
    limit = None if budget is None else RetryBudget(budget, minimum=0)
    retry = RetryMiddleware(1 + retries, Backoff(MS, MS, random), limit, on=[500], clock=clock)
    service = BackendService("s", [Endpoint(URL)], InProcessTransport({URL: handler}), middleware=[retry], clock=clock)
    config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
    gateway = build_gateway(config, {"s": service}, clock=clock, random=random)

    async def ask(request: Request, context: RequestContext) -> Response:
        return await gateway.handle(request, RequestContext(clock.monotonic()))

    return ask


def measured(
    p: float, retries: int, layers: int, requests: int, seed: int = 1, budget: float | None = None
) -> tuple[float, float]:
    """Calls for each request, and the share of the requests that failed."""

    async def main() -> tuple[float, float]:
        random, clock = Random(seed), VirtualClock()
        service = FakeService(0.001, error_rate=p, random=random)
        handler: Handler = service
        for _ in range(layers):
            handler = layer(handler, retries, clock, random, budget)
        failed = 0
        for _ in range(requests):
            response = await handler(Request("GET", "/"), RequestContext(clock.monotonic()))
            failed += response.status >= 500
            await response.close()
        assert service.present == 0
        return service.arrived / requests, failed / requests

    return run(main)


@pytest.mark.parametrize(("p", "retries"), [(0.1, 3), (0.5, 1), (0.5, 3), (0.8, 2)])
def test_a_request_makes_a_geometric_sum_of_calls(p: float, retries: int) -> None:
    runs = [measured(p, retries, 1, 1000, seed) for seed in range(3)]
    assert sum(calls for calls, _ in runs) / 3 == pytest.approx((1 - p ** (retries + 1)) / (1 - p), rel=0.03)
    assert sum(failed for _, failed in runs) / 3 == pytest.approx(p ** (retries + 1), rel=0.15, abs=0.002)


@pytest.mark.parametrize(("retries", "layers"), [(0, 4), (1, 1), (1, 4), (2, 3), (3, 2), (3, 4)])
def test_when_all_fail_the_layers_multiply_exactly(retries: int, layers: int) -> None:
    assert measured(1.0, retries, layers, 3) == ((1 + retries) ** layers, 1.0)


@pytest.mark.parametrize("retries", [1, 3])
def test_when_all_is_well_retries_cost_nothing(retries: int) -> None:
    assert measured(0.0, retries, 3, 50) == (1.0, 0.0)


@pytest.mark.parametrize(("p", "retries", "layers"), [(0.5, 1, 3), (0.7, 2, 2), (0.9, 1, 2)])
def test_layers_of_few_retries_are_one_layer_of_many(p: float, retries: int, layers: int) -> None:
    tries = (1 + retries) ** layers
    runs = [measured(p, retries, layers, 500, seed) for seed in range(3)]
    assert sum(calls for calls, _ in runs) / 3 == pytest.approx((1 - p**tries) / (1 - p), rel=0.05)


@pytest.mark.parametrize("layers", [1, 3])
def test_budgets_multiply_too_but_little(layers: int) -> None:
    calls, failed = measured(1.0, 3, layers, 500, budget=0.2)
    assert calls <= 1.2**layers + 1e-9
    assert calls > 0.9 * 1.2**layers
    assert failed == 1.0
