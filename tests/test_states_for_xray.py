"""Every layer that decides can say by what, and saying it changes nothing that comes after, whatever is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_gateway import ApiGateway, BackendService, Middleware, Request, RequestContext, Response, build_gateway
from api_gateway.build_middleware import MIDDLEWARE
from api_gateway.core.xray.facts import Explainable
from api_gateway.simulation import VirtualClock, run

NOTHING_TO_TELL = {"access_log", "request_id", "security_headers"}
"""These decide nothing about a request."""

SECRET = "a secret of thirty-two characters"
ENTRIES: Mapping[str, object] = {
    "body_limit": 100,
    "deadline": "3s",
    "ip_filter": {"allow": ["192.0.2.0/24"], "deny": ["192.0.2.3"]},
    "header_filter": {"deny": ["x-bad"], "require": ["x-tenant"], "allow": ["x-tenant"]},
    "cors": {"origins": ["https://app.example"]},
    "auth": {
        "any_of": [
            {"jwt": {"issuer": "shop", "audience": "orders", "algorithms": ["HS256"], "secret": SECRET}},
            {"mtls": {}},
        ],
        "optional": True,
    },
    "authorize": {"scopes": ["orders:read"]},
    "validate_request": {"content_types": ["application/json"]},
    "cache": {"max_size": "2MiB"},
    "transform": {"request": {"headers": {"set": {"X-New": "1"}}}},
    "rate_limit": {"algorithm": "token_bucket", "rate": "2/s", "burst": 3, "key": ["client_ip", "header:x-tenant"]},
    "load_shedding": {"concurrency": {"limit": 2, "queue": 1}},
    "concurrency": {"limit": 1, "queue": 2},
    "fallback": {"body": "Back soon."},
    "retry": {"attempts": 3, "budget": 0.1},
    "hedge": {"after": "50ms", "max_extra": 0.5},
}
OF_A_SERVICE: Mapping[str, object] = {
    "circuit_breaker": {"window": 6, "min_calls": 3, "failure_rate": 0.5, "open_for": "1s", "half_open_calls": 1},
    "throttle": {"k": 1.5},
}


class Step(NamedTuple):
    """One client's request, and what the service makes of it."""

    after: float
    looks: int
    method: str
    tenant: bool
    status: int
    takes: float


_STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from((0.0, 0.02, 0.3, 1.2)),
        st.integers(0, 3),
        st.sampled_from(("GET", "GET", "POST", "OPTIONS")),
        st.booleans(),
        st.sampled_from((200, 200, 404, 503)),
        st.sampled_from((0.0, 0.1, 1.0, 4.0)),
    ),
    min_size=1,
    max_size=12,
)


class World:
    """A gateway of one layer before a service that does what each request says. Made in virtual time."""

    def __init__(self, name: str) -> None:
        self.clock = VirtualClock()
        service = {name: OF_A_SERVICE[name]} if name in OF_A_SERVICE else {}
        config: dict[str, object] = {"routes": [{"path": "/*", "service": "users"}]}
        if service:
            config["services"] = {"users": service}
        else:
            before = ["auth"] if name == "authorize" else []
            config["middleware"] = [{each: ENTRIES[each]} for each in (*before, name)]
        self.gateway = build_gateway(config, {"users": self.users}, clock=self.clock, random=Random(7))
        self.layer = _layer_of(self.gateway, in_service=bool(service))
        self.calls: list[float] = []
        self.plan: dict[str, Step] = {}

    async def users(self, request: Request, context: RequestContext) -> Response:
        self.calls.append(asyncio.get_running_loop().time())
        step = self.plan[request.path]
        await asyncio.sleep(step.takes)
        return Response.text(request.path, step.status, {"cache-control": "max-age=2"})

    def context(self) -> RequestContext:
        return RequestContext(self.clock.monotonic(), "192.0.2.7", "http", "1.1")

    async def ask(self, number: int, step: Step, *, looks: bool) -> object:
        request = Request(
            step.method,
            f"/{number % 3}",
            {"host": "shop.example", "origin": "https://app.example", **({"x-tenant": "a"} if step.tenant else {})},
        )
        self.plan[request.path] = step
        for _ in range(step.looks if looks else 0):
            assert isinstance(self.layer, Explainable)
            await self.layer.state_for(request, self.context())
        response = await self.gateway.handle(request, self.context())
        return response.status, response.headers.pairs, await response.read(), asyncio.get_running_loop().time()


def _layer_of(gateway: ApiGateway, *, in_service: bool) -> Middleware:
    if not in_service:
        return gateway.middleware[-1]
    service = gateway.services["users"]
    assert isinstance(service, BackendService)
    return service.middleware[0]


def test_every_name_of_a_middleware_list_is_known_here() -> None:
    assert {*ENTRIES, *NOTHING_TO_TELL} == set(MIDDLEWARE), "a new one needs a `state_for`, or to be named here"


@pytest.mark.parametrize("name", [*ENTRIES, *OF_A_SERVICE])
def test_every_layer_that_decides_can_say_by_what(name: str) -> None:
    async def main() -> Mapping[str, object]:
        world = World(name)
        assert isinstance(world.layer, Explainable)
        request = Request("GET", "/1", {"host": "shop.example", "authorization": f"Bearer {SECRET}"})
        return await world.layer.state_for(request, world.context())

    told = run(main)
    assert told
    assert SECRET not in repr(told)


@pytest.mark.parametrize("name", [*ENTRIES, *OF_A_SERVICE])
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(steps=_STEPS)
def test_asking_changes_nothing_that_comes_after(name: str, steps: list[Step]) -> None:
    async def main(*, looks: bool) -> object:
        world = World(name)
        async with world.gateway:
            asked: list[asyncio.Task[object]] = []
            for number, step in enumerate(steps):
                await asyncio.sleep(step.after)
                asked.append(asyncio.create_task(world.ask(number, step, looks=looks)))
            return await asyncio.gather(*asked), world.calls

    async def looking() -> object:
        return await main(looks=True)

    async def not_looking() -> object:
        return await main(looks=False)

    assert run(looking) == run(not_looking)
