"""Rate limit: who is admitted, who is refused and how, what is waited for, and that every place is given back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence

import pytest

from api_gateway import ApiGateway, Handler, Middleware, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.errors import BadRequest, DeadlineExceeded, LimitsUnavailable, NotFound, RateLimited
from api_gateway.core.identity import Identity
from api_gateway.middleware.rate_limit.keys import ByHeader, ByRoute, by_client_ip, by_identity
from api_gateway.middleware.rate_limit.metrics import RateLimitMetrics
from api_gateway.middleware.rate_limit.policy import RatePolicy
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.rate_limiting import Concurrency, Decision
from api_gateway.rate_limiting.limit_store import AlgorithmName, Ask, Degraded, Grant, Limit
from api_gateway.rate_limiting.limiters import LIMITERS
from api_gateway.rate_limiting.memory_store import MemoryStore
from tests.support.gateway_server import until

GET = Request("GET", "/")
BUCKET = Limit("bucket", "token_bucket", 2, 20.0)
WINDOW = Limit("window", "fixed_window", 3, 60.0)
AT_ONCE = Limit("at-once", "concurrency", 1)
SHAPER = Limit("shaper", "leaky_bucket_queue", 50, 1.0, 3)
TIMED: list[AlgorithmName] = [name for name in LIMITERS if name != "concurrency"]


class World:
    """Some policies over a store in memory, a service, and a clock that is moved by hand."""

    def __init__(self, *policies: RatePolicy, dry_run: bool = False, legacy_headers: bool = False) -> None:
        limits = [limit for policy in policies for limit in policy.limits]
        self.store = MemoryStore(
            {limit: LIMITERS[limit.algorithm](limit.limit, limit.period, limit.burst) for limit in limits}
        )
        self.clock = ManualClock()
        self.metrics = RateLimitMetrics()
        self.limit = RateLimitMiddleware(
            policies,
            self.store,
            dry_run=dry_run,
            legacy_headers=legacy_headers,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.served = 0

    async def service(self, request: Request, context: RequestContext) -> Response:
        self.served += 1
        return Response.text("served")

    async def ask(
        self,
        request: Request = GET,
        address: str = "192.0.2.7",
        *,
        tier: str = "",
        deadline: float | None = None,
        service: Handler | None = None,
    ) -> Response:
        context = RequestContext(self.clock.monotonic(), address, "http", "1.1")
        context.identity = Identity("anna", "api_key", tier=tier) if tier else None
        if deadline is not None:
            context.deadline = self.clock.monotonic() + round(deadline * NANOSECONDS)
        return await self.limit(request, context, service or self.service)

    async def admitted(self, times: int, **how: object) -> int:
        """How many of so many requests in a row are admitted."""
        count = 0
        for _ in range(times):
            try:
                await self.ask(**how)  # type: ignore[arg-type]  # as `ask` takes them
            except RateLimited:
                continue
            count += 1
        return count

    def counted(self, name: str, **labels: str) -> float:
        """A sample of the rate limits' metrics; 0 where there is none."""
        samples = [sample for metric in self.metrics.collect() for sample in metric.samples]
        return sum(sample.value for sample in samples if (sample.name, sample.labels) == (name, labels))

    @property
    def in_flight(self) -> int:
        limiter = self.store.limiters[AT_ONCE]
        assert isinstance(limiter, Concurrency)
        return limiter.in_flight("192.0.2.7")


def bucket(**options: object) -> RatePolicy:
    return RatePolicy(BUCKET, by_client_ip, **options)  # type: ignore[arg-type]  # the fields of a policy


# Admitted and refused.


@pytest.mark.parametrize("algorithm", TIMED)
async def test_each_algorithm_admits_its_limit_and_then_refuses(algorithm: AlgorithmName) -> None:
    shapes = algorithm == "leaky_bucket_queue"
    world = World(RatePolicy(Limit("x", algorithm, 3, 3000.0, 0 if shapes else None), by_client_ip))
    most = 1 if shapes else 3
    assert await world.admitted(9) == world.served == most


async def test_a_refusal_names_its_policy_and_when_to_come_back() -> None:
    world = World(bucket())
    await world.admitted(2)
    world.clock.advance(3.5)
    with pytest.raises(RateLimited) as caught:
        await world.ask()
    assert caught.value.detail == "Over the limit bucket: try again in 7 s."
    assert caught.value.members == {"violated-policies": ["bucket"]}
    assert list(caught.value.headers) == [
        ("ratelimit-policy", '"bucket";q=2;w=20'),
        ("ratelimit", '"bucket";r=0;t=7'),
        ("retry-after", "7"),
    ]
    world.clock.advance(6.5)
    assert (await world.ask()).status == 200


async def test_the_gateway_answers_429_as_a_problem_of_the_registered_type() -> None:
    world = World(bucket())
    gateway = ApiGateway(Router([Route("/*", "s")]), {"s": world.service}, [world.limit], clock=world.clock)
    context = RequestContext()
    for _ in range(3):
        response = await gateway.handle(GET, context)
    assert response.status == 429
    assert response.header("content-type") == "application/problem+json"
    assert response.header("retry-after") == "10"
    assert context.flag == "RL"
    assert json.loads(await response.read()) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too many requests",
        "status": 429,
        "code": "quota-exceeded",
        "detail": "Over the limit bucket: try again in 10 s.",
        "violated-policies": ["bucket"],
    }


async def test_an_admitted_answer_says_what_is_left() -> None:
    response = await World(bucket()).ask()
    assert response.header("ratelimit-policy") == '"bucket";q=2;w=20'
    assert response.header("ratelimit") == '"bucket";r=1;t=10'
    assert response.header("x-ratelimit-limit") is None
    assert await response.read() == b"served"


async def test_the_gateways_own_errors_further_in_say_what_is_left_too() -> None:
    async def nothing_there(request: Request, context: RequestContext) -> Response:
        raise NotFound("nothing there")

    for policies in ([bucket()], [bucket(), RatePolicy(WINDOW, by_client_ip)]):
        with pytest.raises(NotFound) as caught:
            await World(*policies).ask(service=nothing_there)
        assert caught.value.headers.tokens("ratelimit")[0] == '"bucket";r=1;t=10'


async def test_older_headers_are_sent_on_demand() -> None:
    world = World(bucket(), legacy_headers=True)
    assert (await world.ask()).header("x-ratelimit-remaining") == "1"
    await world.ask()
    with pytest.raises(RateLimited) as caught:
        await world.ask()
    assert caught.value.headers.get("x-ratelimit-reset") == "20"


async def test_callers_have_quotas_of_their_own() -> None:
    world = World(bucket())
    assert await world.admitted(5, address="192.0.2.7") == 2
    assert await world.admitted(5, address="192.0.2.8") == 2
    assert await world.admitted(5, address="2001:db8::1") == 2
    assert await world.admitted(5, address="2001:db8::2") == 0, "the same /64"


async def test_a_cost_counts_as_many() -> None:
    assert await World(RatePolicy(WINDOW, by_client_ip, cost=2)).admitted(5) == 1


async def test_what_can_never_be_admitted_has_no_retry_after() -> None:
    with pytest.raises(RateLimited, match="more than can ever be admitted") as caught:
        await World(bucket(cost=3)).ask()
    assert "retry-after" not in caught.value.headers


async def test_tasks_that_come_at_once_are_admitted_exactly_as_often_as_the_limit_says() -> None:
    world = World(RatePolicy(WINDOW, by_client_ip), bucket())
    answers = await asyncio.gather(*(world.ask() for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(answer, Response) for answer in answers) == world.served == 2


def test_a_limiter_without_a_policy_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one policy"):
        RateLimitMiddleware([], MemoryStore({}))


# Several limits.


async def test_several_limits_are_charged_all_or_not_at_all() -> None:
    world = World(bucket(), RatePolicy(WINDOW, by_client_ip))
    assert await world.admitted(10) == 2
    world.clock.advance(10)
    response = await world.ask()
    assert response.headers.tokens("ratelimit") == ['"bucket";r=0;t=10', '"window";r=0;t=50']
    world.clock.advance(10)
    with pytest.raises(RateLimited) as caught:
        await world.ask()
    assert caught.value.members == {"violated-policies": ["window"]}
    assert caught.value.headers.tokens("ratelimit") == ['"bucket";r=1;t=10', '"window";r=0;t=40']
    assert caught.value.headers.get("retry-after") == "40"


async def test_a_coarse_limit_and_a_finer_one_behind_it_both_hold_and_both_tell() -> None:
    async def authenticate(request: Request, context: RequestContext, call_next: Handler) -> Response:
        token = request.header("authorization")
        context.identity = Identity(token, "introspection") if token else None
        return await call_next(request, context)

    coarse, fine = World(RatePolicy(WINDOW, by_client_ip)), World(RatePolicy(BUCKET, by_identity))
    layers: list[Middleware] = [coarse.limit, authenticate, fine.limit]
    gateway = ApiGateway(Router([Route("/*", "s")]), {"s": fine.service}, layers, clock=fine.clock)

    async def ask(name: str) -> Response:
        context = RequestContext(0, "192.0.2.7", "http", "1.1")
        return await gateway.handle(Request("GET", "/", {"host": "h", "authorization": name}), context)

    first = await ask("anna")
    assert first.headers.tokens("ratelimit") == ['"bucket";r=1;t=10', '"window";r=2;t=60']
    assert [(await ask("anna")).status, (await ask("anna")).status] == [200, 429]
    refused = await ask("berta")
    assert refused.status == 429
    assert json.loads(await refused.read())["violated-policies"] == ["window"], "three requests from one address"


# Tiers.


async def test_a_tier_has_its_own_limit_and_others_the_common_one() -> None:
    gold = Limit("bucket:gold", "token_bucket", 5, 20.0)
    world = World(bucket(tiers={"gold": gold}))
    assert await world.admitted(9) == 2
    assert await world.admitted(9, tier="gold") == 5
    assert await world.admitted(9, tier="silver", address="192.0.2.9") == 2
    assert (await world.ask(tier="gold", address="192.0.2.8")).header("ratelimit-policy") == '"bucket:gold";q=5;w=20'


async def test_no_header_makes_a_tier() -> None:
    world = World(bucket(tiers={"gold": Limit("bucket:gold", "token_bucket", 5, 20.0)}))
    request = Request("GET", "/", {"tier": "gold", "x-tier": "gold", "x-user-tier": "gold"})
    assert await world.admitted(9, request=request) == 2


# No key.


@pytest.mark.parametrize("others", [[], [RatePolicy(WINDOW, by_client_ip)]])
async def test_a_request_without_its_key_is_refused_and_counted(others: list[RatePolicy]) -> None:
    world = World(RatePolicy(BUCKET, ByHeader("X-API-Key")), *others)
    with pytest.raises(BadRequest):
        await world.ask()
    assert world.served == 0
    assert world.counted("api_gateway_rate_limit_refusals_total", policy="bucket", route="none") == 1


async def test_a_route_that_is_not_there_is_no_refusal_of_the_limit() -> None:
    def nowhere(request: Request) -> str:
        raise NotFound

    world = World(RatePolicy(BUCKET, ByRoute(nowhere)))
    with pytest.raises(NotFound):
        await world.ask()
    assert world.counted("api_gateway_rate_limit_refusals_total", policy="bucket", route="none") == 0


# On trial.


async def test_a_dry_run_admits_counts_and_logs_without_a_key_or_a_header(caplog: pytest.LogCaptureFixture) -> None:
    world = World(bucket(), dry_run=True)
    with caplog.at_level(logging.INFO, "api_gateway.rate_limit"):
        responses = [await world.ask() for _ in range(5)]
    assert world.served == 5
    assert all(response.header("ratelimit") is None for response in responses)
    assert world.counted("api_gateway_rate_limit_dry_run_refusals_total", policy="bucket", route="none") == 3
    assert world.counted("api_gateway_rate_limit_refusals_total", policy="bucket", route="none") == 0
    assert len(caplog.records) == 3
    assert "dry run: would refuse" in caplog.text
    assert "192.0.2.7" not in caplog.text


async def test_a_dry_run_admits_whoever_has_no_key() -> None:
    world = World(RatePolicy(BUCKET, by_identity), dry_run=True)
    assert (await world.ask()).status == 200
    assert world.counted("api_gateway_rate_limit_dry_run_refusals_total", policy="bucket", route="none") == 1


async def test_a_dry_run_waits_for_nothing() -> None:
    world = World(RatePolicy(Limit("shaper", "leaky_bucket_queue", 1, 3600.0, 5), by_client_ip), dry_run=True)
    async with asyncio.timeout(5):
        assert await world.admitted(9) == 9
    assert world.counted("api_gateway_rate_limit_dry_run_refusals_total", policy="shaper", route="none") == 3


async def test_a_dry_run_gives_back_what_it_held() -> None:
    world = World(RatePolicy(AT_ONCE, by_client_ip), dry_run=True)
    await world.ask()
    assert world.in_flight == 0


# Shaping.


async def test_a_shaper_holds_each_request_until_its_turn() -> None:
    world = World(RatePolicy(SHAPER, by_client_ip))
    loop = asyncio.get_running_loop()
    started = loop.time()
    left: list[float] = []

    async def service(request: Request, context: RequestContext) -> Response:
        left.append(loop.time() - started)
        return Response()

    answers = await asyncio.gather(*(world.ask(service=service) for _ in range(6)), return_exceptions=True)
    assert [isinstance(answer, RateLimited) for answer in answers] == [False] * 4 + [True] * 2
    assert all(at >= turn * 0.02 - 0.001 for turn, at in enumerate(left))  # a loop's timers are that exact
    assert world.counted("api_gateway_rate_limit_delays_total", policy="shaper", route="none") == 3


async def test_a_turn_after_the_deadline_is_refused_at_once_and_not_taken() -> None:
    world = World(RatePolicy(Limit("shaper", "leaky_bucket_queue", 1, 10.0, 5), by_client_ip))
    await world.ask(deadline=5)
    for _ in range(20):
        with pytest.raises(RateLimited) as caught:
            await world.ask(deadline=5)
        assert caught.value.headers.get("retry-after") == "5"
        assert caught.value.headers.get("ratelimit") == '"shaper";r=5;t=5'
    world.clock.advance(10)
    async with asyncio.timeout(5):
        assert (await world.ask(deadline=5)).status == 200, "the refused have taken no turn"


async def test_a_cost_takes_as_many_turns_and_the_last_must_be_before_the_deadline() -> None:
    policy = RatePolicy(Limit("shaper", "leaky_bucket_queue", 1, 10.0, 5), by_client_ip, cost=3)
    with pytest.raises(RateLimited) as caught:
        await World(policy).ask(deadline=15)
    assert caught.value.headers.get("retry-after") == "5"


async def test_limits_beside_a_shaper_are_not_charged_for_a_turn_that_comes_too_late() -> None:
    slow = Limit("shaper", "leaky_bucket_queue", 1, 10.0, 5)
    world = World(RatePolicy(slow, by_client_ip), RatePolicy(WINDOW, by_client_ip), RatePolicy(AT_ONCE, by_client_ip))
    await world.ask(deadline=5)
    with pytest.raises(RateLimited) as caught:
        await world.ask(deadline=5)
    assert caught.value.members == {"violated-policies": ["shaper"]}
    assert caught.value.headers.tokens("ratelimit")[1] == '"window";r=2;t=60'
    assert world.in_flight == 0


async def test_a_request_that_is_cancelled_while_it_waits_asks_nobody_and_holds_nothing() -> None:
    slow = Limit("shaper", "leaky_bucket_queue", 1, 3600.0, 5)
    world = World(RatePolicy(slow, by_client_ip), RatePolicy(AT_ONCE, by_client_ip))
    await world.ask()
    waiting = asyncio.create_task(world.ask())
    await until(lambda: world.in_flight)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (world.served, world.in_flight) == (1, 0)


# Places.


class Body:
    """A body that streams, and can fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one"
        if self.error is not None:
            raise self.error


async def test_a_place_is_held_while_the_answer_streams_and_freed_once() -> None:
    async def streams(request: Request, context: RequestContext) -> Response:
        return Response(body=Body())

    world = World(RatePolicy(AT_ONCE, by_client_ip))
    response = await world.ask(service=streams)
    assert response.header("ratelimit") == '"at-once";r=0'
    assert world.in_flight == 1
    with pytest.raises(RateLimited) as caught:
        await world.ask()
    assert caught.value.headers.get("retry-after") == "1"
    assert await response.read() == b"one"
    assert world.in_flight == 0
    await response.close()
    other = await world.ask(service=streams)
    await response.close()
    assert world.in_flight == 1, "the first answer has freed its own place only"
    await other.close()
    assert world.in_flight == 0


async def test_a_place_is_freed_when_the_answer_is_complete_discarded_or_cut() -> None:
    world = World(RatePolicy(AT_ONCE, by_client_ip))
    await world.ask()
    assert world.in_flight == 0

    async def breaks(request: Request, context: RequestContext) -> Response:
        return Response(body=Body(ConnectionResetError()))

    await (await world.ask(service=breaks)).close()
    assert world.in_flight == 0
    with pytest.raises(ConnectionResetError):
        await (await world.ask(service=breaks)).read()
    assert world.in_flight == 0


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), ZeroDivisionError()])
async def test_a_place_is_freed_when_there_is_no_answer(error: Exception) -> None:
    async def fails(request: Request, context: RequestContext) -> Response:
        assert world.in_flight == 1
        raise error

    world = World(RatePolicy(AT_ONCE, by_client_ip))
    with pytest.raises(type(error)):
        await world.ask(service=fails)
    assert world.in_flight == 0


async def test_a_place_is_freed_when_the_client_leaves() -> None:
    reached = asyncio.Event()

    async def hangs(request: Request, context: RequestContext) -> Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    world = World(RatePolicy(AT_ONCE, by_client_ip))
    running = asyncio.create_task(world.ask(service=hangs))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.in_flight == 0


# A shared store that is out of reach.


class Outage:
    """A store that cannot be reached, and what is then done."""

    def __init__(self, degraded: Degraded) -> None:
        self.degraded = degraded

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        decision = Decision(self.degraded != "refuse", 5, 4, NANOSECONDS, None)
        return Grant(decision, (decision,) * len(asks), None, self.degraded)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("degraded", "header"), [("admit", None), ("local", '"bucket";r=4;t=1')], ids=["admit", "local"]
)
async def test_an_outage_that_admits_is_counted_and_no_numbers_are_made_up(
    degraded: Degraded, header: str | None
) -> None:
    world = World(bucket())
    world.limit = RateLimitMiddleware([bucket()], Outage(degraded), metrics=world.metrics)
    assert (await world.ask()).header("ratelimit") == header
    assert world.counted("api_gateway_rate_limit_degraded_total", mode=degraded) == 1


async def test_an_outage_that_refuses_is_503_and_nobodys_fault() -> None:
    world = World(bucket())
    world.limit = RateLimitMiddleware([bucket()], Outage("refuse"), metrics=world.metrics)
    with pytest.raises(LimitsUnavailable) as caught:
        await world.ask()
    assert list(caught.value.headers) == [("retry-after", "1")]
    assert world.served == 0
    assert world.counted("api_gateway_rate_limit_degraded_total", mode="refuse") == 1
    assert world.counted("api_gateway_rate_limit_refusals_total", policy="bucket", route="none") == 0


async def test_a_dry_run_admits_through_an_outage() -> None:
    world = World(bucket())
    world.limit = RateLimitMiddleware([bucket()], Outage("refuse"), dry_run=True)
    assert (await world.ask()).status == 200
