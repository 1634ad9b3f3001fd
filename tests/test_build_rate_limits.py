"""Rate limits as built from a configuration: keys, names, stores, metrics, and their end."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from api_gateway import ApiGateway, ConfigurationError, Request, RequestContext, Response, build_gateway
from api_gateway.config.rate_limit_schema import LimitOptions
from api_gateway.core.clock import ManualClock
from api_gateway.middleware.metrics.metrics_middleware import MetricsMiddleware
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.rate_limiting import Decision
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.limiters import LIMITERS
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.redis import LeaseStore
from api_gateway.routing.router import Router

ROUTE = {"path": "/api/users/*", "service": "users"}
STUB = "api_gateway.rate_limiting.redis"


async def users(request: Request, context: RequestContext) -> Response:
    return Response.text("served")


def built(*entries: object, routes: Sequence[object] = (ROUTE,), clock: ManualClock | None = None) -> ApiGateway:
    config = {"middleware": [{"rate_limit": entry} for entry in entries], "routes": list(routes)}
    return build_gateway(config, {"users": users}, clock=clock or ManualClock())


def limited(gateway: ApiGateway) -> list[RateLimitMiddleware]:
    assert isinstance(gateway.router, Router)
    layers = [*gateway.middleware, *(layer for route in gateway.router.routes for layer in route.middleware)]
    return [layer for layer in layers if isinstance(layer, RateLimitMiddleware)]


def names(gateway: ApiGateway) -> list[str]:
    return [limit.name for layer in limited(gateway) for policy in layer.policies for limit in policy.limits]


async def statuses(gateway: ApiGateway, *targets: str, **headers: str) -> list[int]:
    request_headers = {"host": "h", **{name.replace("_", "-"): value for name, value in headers.items()}}
    answers = [await gateway.handle(Request("GET", target, request_headers)) for target in targets]
    return [answer.status for answer in answers]


def sample(gateway: ApiGateway, name: str, **labels: str) -> float | None:
    (metrics,) = (layer for layer in gateway.middleware if isinstance(layer, MetricsMiddleware))
    return metrics.registry.get_sample_value(f"api_gateway_{name}", labels)


async def test_the_contracts_example_limits_each_address() -> None:
    clock = ManualClock()
    gateway = built({"algorithm": "token_bucket", "rate": "100/s", "burst": 200, "key": "client_ip"}, clock=clock)
    assert await statuses(gateway, *["/api/users/1"] * 201) == [200] * 200 + [429]
    clock.advance(0.01)
    assert await statuses(gateway, *["/api/users/1"] * 2) == [200, 429]


def test_there_is_a_limiter_for_each_algorithm_of_the_schema() -> None:
    definition = LimitOptions.model_json_schema()["properties"]["algorithm"]
    assert set(LIMITERS) == set(definition["enum"])
    for name, make in LIMITERS.items():
        made = make(2, 60.0, None)
        assert type(made).__name__.lower() == name.replace("_", "")


async def test_a_routes_limit_holds_for_that_route_only_and_is_counted_under_it() -> None:
    limit = {"rate_limit": {"algorithm": "gcra", "rate": "1/min", "key": "header:X-API-Key"}}
    gateway = built(routes=[{**ROUTE, "middleware": [limit]}, {"path": "/other", "service": "users"}])
    assert await statuses(gateway, *["/api/users/1"] * 3, x_api_key="k") == [200, 429, 429]
    assert await statuses(gateway, "/other", "/other") == [200, 200]
    assert await statuses(gateway, "/api/users/1") == [400], "without the header there is no key"
    policy = {"policy": "x-api-key:1/min", "route": "/api/users/*"}
    assert sample(gateway, "rate_limit_refusals_total", **policy) == 3
    assert sample(gateway, "refusals_total", flag="RL", route="/api/users/*") == 2
    assert sample(gateway, "rate_limit_keys", policy="x-api-key:1/min") == 1


async def test_a_key_of_the_route_counts_each_route_apart_even_before_the_router() -> None:
    gateway = built({"rate": "1/min", "key": "route"}, routes=[ROUTE, {"path": "/other", "service": "users"}])
    assert await statuses(gateway, "/api/users/1", "/api/users/2", "/other", "/other") == [200, 429, 200, 429]
    assert await statuses(gateway, "/nowhere") == [404]


async def test_without_authentication_there_is_no_identity_and_nobody_is_admitted_by_it() -> None:
    assert await statuses(built({"rate": "1/min", "key": "identity"}), "/api/users/1") == [403]


async def test_a_refusal_stays_within_the_frame_with_id_and_problem() -> None:
    config = {"middleware": ["request_id", {"rate_limit": {"rate": "1/min"}}], "routes": [ROUTE]}
    gateway = build_gateway(config, {"users": users})
    await gateway.handle(Request("GET", "/api/users/1"))
    response = await gateway.handle(Request("GET", "/api/users/1"))
    assert response.status == 429
    assert response.header("x-request-id")
    assert response.header("content-type") == "application/problem+json"
    assert response.header("retry-after") == "60"


async def test_a_404_has_spent_and_tells_it() -> None:
    gateway = built({"rate": "2/min"})
    response = await gateway.handle(Request("GET", "/nowhere"))
    assert (response.status, response.header("ratelimit")) == (404, '"client_ip:2/min";r=1;t=30')


def test_names_are_unique_in_the_whole_gateway() -> None:
    entry = {"rate_limit": {"rate": "1/s", "tiers": {"2": "2/s"}}}
    gateway = built({"rate": "1/s"}, {"rate": "1/s", "name": "mine"}, routes=[{**ROUTE, "middleware": [entry, entry]}])
    assert names(gateway) == [
        *("client_ip:1/s", "mine"),
        *("client_ip:1/s#2", "client_ip:1/s#2:2", "client_ip:1/s#3", "client_ip:1/s#3:2"),
    ]


def test_a_gateway_without_limits_has_no_store() -> None:
    assert not any(isinstance(resource, MemoryStore) for resource in built().resources)
    assert isinstance(built({"rate": "1/s"}).resources[0], MemoryStore)


def test_two_gateways_share_neither_counts_nor_metrics() -> None:
    one, other = built({"rate": "1/s"}), built({"rate": "1/s"})
    assert one.resources[0] is not other.resources[0]


# A shared store.


class RecordingStore:
    """Stands in for the shared store: says what it was made of, and when it was closed."""

    made: list[RecordingStore]

    def __init__(
        self, url: str, limits: Sequence[Limit], *, on_store_error: str, gateways: int, timeout: float, prefix: str
    ) -> None:
        self.arguments = (url, [limit.name for limit in limits], on_store_error, gateways, timeout)
        self.prefix = prefix
        self.shown = url
        self.closed = 0
        self.made.append(self)

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        decision = Decision(True, 5, 4, 0, None)
        return Grant(decision, (decision,) * len(asks))

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[RecordingStore]:
    module = ModuleType(STUB)
    RecordingStore.made = []
    module.__dict__.update(RedisStore=RecordingStore, LeaseStore=LeaseStore)
    monkeypatch.setitem(sys.modules, STUB, module)
    return RecordingStore.made


async def test_entries_that_say_the_same_of_the_store_share_one_which_closes_with_the_gateway(
    made: list[RecordingStore],
) -> None:
    shared = {"rate": "1/s", "store": "redis://h/1"}
    gateway = built(
        shared,
        {"rate": "1/s"},
        {**shared, "on_store_error": "refuse", "gateways": 4, "store_timeout": "20ms"},
        routes=[{**ROUTE, "middleware": [{"rate_limit": shared}]}],
    )
    assert [store.arguments for store in made] == [
        ("redis://h/1", ["client_ip:1/s", "client_ip:1/s#4"], "local", 1, 0.25),
        ("redis://h/1", ["client_ip:1/s#3"], "refuse", 4, 0.02),
    ]
    async with gateway:
        assert await statuses(gateway, "/api/users/1") == [200]
        assert [store.closed for store in made] == [0, 0]
    assert [store.closed for store in made] == [1, 1]


def test_a_prefix_and_a_lease_make_another_store(made: list[RecordingStore]) -> None:
    shared = {"rate": "9/s", "store": "redis://h"}
    gateway = built(shared, {**shared, "store_prefix": "eu"}, {**shared, "lease": 3, "lease_time": "2s"})
    assert [store.prefix for store in made] == ["api-gateway", "eu", "api-gateway"]
    assert [type(store) for store in gateway.resources[:3]] == [RecordingStore, RecordingStore, LeaseStore]


def test_a_missing_extra_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise ModuleNotFoundError("No module named 'redis'", name="redis.asyncio")

    monkeypatch.setitem(sys.modules, STUB, Missing(STUB))
    with pytest.raises(ConfigurationError) as caught:
        built({"rate": "1/s", "store": "redis://h"})
    assert str(caught.value) == (
        'middleware[0]: rate_limit: a redis store needs a package more: pip install "api-gateway[redis]"; '
        "correct its options"
    )


@pytest.mark.parametrize(
    ("policy", "expected"), [("admit", [200, 200, 200]), ("refuse", [503, 503, 503]), ("local", [200, 429, 429])]
)
async def test_a_shared_store_that_is_out_of_reach_is_handled_as_configured_and_counted(
    policy: str, expected: list[int]
) -> None:
    pytest.importorskip("redis", reason="the redis client is not installed; the extra `redis` brings it")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else gets the port
        store = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
        gateway = built({"rate": "2/h", "store": store, "on_store_error": policy, "gateways": 2})
        async with gateway:
            assert await statuses(gateway, *["/api/users/1"] * 3) == expected
    assert sample(gateway, "rate_limit_degraded_total", mode=policy) == 3
    assert sample(gateway, "rate_limit_store_up", store=store) == 0
    assert sample(gateway, "rate_limit_store_outages_total", store=store) == 1
    if policy == "refuse":
        assert sample(gateway, "refusals_total", flag="RLSE", route="none") == 3


def test_an_address_that_the_client_cannot_use_is_refused_without_its_password() -> None:
    pytest.importorskip("redis", reason="the redis client is not installed; the extra `redis` brings it")
    with pytest.raises(ConfigurationError, match=r"^middleware\[0\]: rate_limit: the store's address") as caught:
        built({"rate": "1/s", "store": "redis://:hunter2@h/0?nonsense=1"})
    assert "hunter2" not in str(caught.value)
