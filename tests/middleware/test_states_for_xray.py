"""What layers tell an X-ray, in situations that are known. That telling changes nothing is `test_states_for_xray.py`'s
in the folder above; limits and circuits have files of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from api_gateway import Handler, Middleware, Request, RequestContext, Response
from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.errors import Overloaded
from api_gateway.core.identity import Identity
from api_gateway.core.xray.facts import Explainable, Facts
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AccessRule, AuthorizationMiddleware
from api_gateway.middleware.body_limit import BodyLimitMiddleware
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from api_gateway.middleware.cors import CorsMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.event_loop_lag import EventLoopLag
from api_gateway.middleware.fallback import FallbackMiddleware, StatedResponse
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.header_filter import HeaderFilterMiddleware
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.middleware.remaining_deadline import RemainingDeadlineMiddleware
from api_gateway.middleware.request_priority import RequestPriority
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.middleware.throttle import ThrottleMiddleware
from api_gateway.middleware.transform.header_transform import HeaderTransform
from api_gateway.middleware.transform.template import Template
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware
from api_gateway.middleware.validation.request_validation import RequestValidationMiddleware
from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle
from api_gateway.resilience.aimd import AIMDLimit
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.expected_wait import ExpectedWait
from api_gateway.resilience.hedging import Hedging
from api_gateway.resilience.priority import Priority
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.simulation import VirtualClock, run

MILLISECOND = 1_000_000
GET = Request("GET", "/orders", {"host": "shop.example"})
POST = Request("POST", "/orders", body=b"order")


async def told(layer: Middleware, request: Request = GET, context: RequestContext | None = None) -> Facts:
    assert isinstance(layer, Explainable)
    return await layer.state_for(request, context or RequestContext(0, "192.0.2.7", "http", "1.1"))


def answering(status: int) -> Handler:
    async def answer(request: Request, context: RequestContext) -> Response:
        context.attempts += 1
        return Response(status)

    return answer


async def test_retry_tells_the_attempts_and_the_budget_that_is_left() -> None:
    clock = ManualClock()
    retry = RetryMiddleware(3, Backoff(25 * MILLISECOND, NANOSECONDS, Random(1)), RetryBudget(0.2), clock=clock)
    context = RequestContext(0)
    context.deadline = 2 * NANOSECONDS
    assert await told(retry, POST, context) == {
        "attempts": 3,
        "on": ["connect_error", 502, 503, 504],
        "idempotent": False,
        "first wait up to": "25 ms",
        "budget left": 10,
        "left": "2 s",
    }


def test_a_retry_that_was_made_is_taken_from_the_budget_that_is_told() -> None:
    async def main() -> tuple[Facts, Facts]:
        clock = VirtualClock()
        retry = RetryMiddleware(3, Backoff(1, 1, Random(1)), RetryBudget(0.2), clock=clock)
        before = await told(retry)
        await retry(GET, RequestContext(0), answering(503))
        return before, await told(retry)

    before, after = run(main)
    assert (before["budget left"], after["budget left"]) == (10, 8)


async def test_retry_without_a_budget_or_a_deadline_says_so() -> None:
    facts = await told(RetryMiddleware(2, Backoff(1, 1, Random(1)), None))
    assert facts["budget left"] is None
    assert facts["left"] is None


@pytest.mark.parametrize(("request_", "twice"), [(GET, True), (POST, False)], ids=["get", "post"])
async def test_hedge_tells_when_and_whether(request_: Request, twice: bool) -> None:
    hedge = HedgeMiddleware(Hedging(50 * MILLISECOND, 0.05), ManualClock())
    assert await told(hedge, request_) == {"after": "50 ms", "budget left": 1, "may be asked twice": twice}


async def test_a_bulkhead_tells_who_is_in_and_who_waits() -> None:
    clock = ManualClock()
    expected = ExpectedWait()
    expected.record(80 * MILLISECOND)
    bulkhead = BulkheadMiddleware(1, 5, expected_wait=expected, clock=clock)
    inside: list[Facts] = []

    async def look(request: Request, context: RequestContext) -> Response:
        waiting = asyncio.create_task(bulkhead(GET, RequestContext(0), answering(200)))
        await asyncio.sleep(0)
        inside.append(await told(bulkhead))
        waiting.cancel()
        return Response(200)

    await bulkhead(GET, RequestContext(0), look)
    common = {"limit": 1, "room to wait": 5, "class": "default"}
    assert inside == [{**common, "in flight": 1, "queued": 1, "expected wait": "160 ms"}]
    assert await told(bulkhead) == {**common, "in flight": 0, "queued": 0}


async def test_an_adaptive_limit_is_told_as_one() -> None:
    facts = await told(BulkheadMiddleware(AIMDLimit(NANOSECONDS, first=7)))
    assert (facts["limit"], facts["adaptive"]) == (7, "aimd")


class Late:
    """A loop that is always 30 ms late."""

    def seconds(self) -> float:
        return 0.03


async def test_load_shedding_tells_the_lag_and_from_when_on_the_class_of_the_request_is_refused() -> None:
    shedding = LoadSheddingMiddleware(
        BulkheadMiddleware(9), 0.05, priority_of=RequestPriority(Priority.SHEDDABLE), lag=Late()
    )
    assert await told(shedding) == {
        "lag": "30 ms",
        "refused from": "25 ms",
        "limit": 9,
        "in flight": 0,
        "queued": 0,
        "room to wait": 0,
        "class": "sheddable",
    }
    with pytest.raises(Overloaded):
        await shedding(GET, RequestContext(0), answering(200))


async def test_to_look_at_load_shedding_begins_no_measurement() -> None:
    lag = EventLoopLag()
    await told(LoadSheddingMiddleware(BulkheadMiddleware(9), lag=lag))
    assert lag._loop is None


async def test_a_throttle_tells_its_window_and_the_probability() -> None:
    throttle = ThrottleMiddleware("users", AdaptiveThrottle(2.0), random=Random(1), clock=ManualClock())
    for status in (200, 503, 503, 503):
        await throttle(GET, RequestContext(0), answering(status))
    assert await told(throttle) == {
        "requests": 4,
        "accepted": 1,
        "requests for one accepted": 2.0,
        "refusal probability": 0.4,
    }


async def test_deadlines_tell_what_is_left() -> None:
    clock = ManualClock(NANOSECONDS)
    context = RequestContext(0)
    assert await told(RemainingDeadlineMiddleware(clock), GET, context) == {"left": None}
    assert await told(DeadlineMiddleware(3.0, clock), GET, context) == {"limit": "3 s", "left": "2 s"}
    context.deadline = NANOSECONDS * 3 // 2
    assert await told(DeadlineMiddleware(3.0, clock), GET, context) == {"limit": "3 s", "left": "500 ms"}
    assert await told(RemainingDeadlineMiddleware(clock), GET, context) == {"left": "500 ms"}


class Cache:
    """A cache, and an answer that is fresh for ten seconds."""

    def __init__(self) -> None:
        self.clock = ManualClock(0, 1_000_000_000.0)
        self.store = MemoryCacheStore(2**20, self.clock)
        self.cache = CacheMiddleware(self.store, clock=self.clock, random=Random(1))

    async def serve(self, request: Request, context: RequestContext) -> Response:
        return Response(200, {"cache-control": "max-age=10", "etag": '"1"', "vary": "accept-language"}, b"orders")

    async def ask(self, request: Request = GET) -> None:
        await (await self.cache(request, RequestContext(0, "192.0.2.7", "http", "1.1"), self.serve)).read()


async def test_a_cache_tells_what_is_kept_and_for_how_long_that_is_good() -> None:
    world = Cache()
    key = "http://shop.example/orders"
    assert await told(world.cache) == {"key": key, "stored": False, "asked for already": False}
    await world.ask()
    world.clock.advance(4)
    kept = {
        "key": key,
        "stored": True,
        "variants": 1,
        "varies by": ["accept-language"],
        "status": 200,
        "lifetime": "10 s",
    }
    kept |= {"can be validated": True, "asked for already": False}
    assert await told(world.cache) == {**kept, "age": "4 s", "fresh for": "6 s"}
    world.clock.advance(7)
    assert await told(world.cache) == {**kept, "age": "11 s", "stale for": "1 s"}
    other = GET.with_headers(GET.headers.setting("accept-language", "de"))
    assert (await told(world.cache, other))["stored"] is False


async def test_a_cache_that_is_looked_at_counts_nothing() -> None:
    world = Cache()
    await world.ask()
    before = world.store.hits, world.store.misses
    await told(world.cache)
    assert (world.store.hits, world.store.misses) == before


async def test_a_cache_tells_of_the_flight_that_a_request_would_join() -> None:
    world = Cache()
    inside: list[Facts] = []

    async def look(request: Request, context: RequestContext) -> Response:
        inside.append(await told(world.cache))
        return await world.serve(request, context)

    await (await world.cache(GET, RequestContext(0, "192.0.2.7", "http", "1.1"), look)).read()
    assert [facts["asked for already"] for facts in inside] == [True]


async def test_a_cache_tells_why_it_does_not_look_and_no_value_of_the_query() -> None:
    world = Cache()
    request = Request("POST", "/orders?token=secret-7&page=2", {"host": "Shop.example"})
    assert await told(world.cache, request) == {
        "key": "http://shop.example/orders?token&page",
        "not looked up": "method",
    }


class ByHeader:
    """A way that reads one header, and proves nobody."""

    challenge = ""

    def __init__(self, name: bytes = b"") -> None:
        self.credential_headers = frozenset([name] if name else [])

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        return None


async def test_auth_tells_the_ways_and_which_the_request_tries_but_no_credentials() -> None:
    ways = [ByHeader(b"authorization"), ByHeader(b"x-api-key"), ByHeader()]
    auth = AuthMiddleware(ways, methods=["jwt", "api_key", "mtls"], optional=True)
    request = GET.with_headers(GET.headers.setting("x-api-key", "secret-7"))
    assert await told(auth, request) == {"ways": ("jwt", "api_key", "mtls"), "brings": ["api_key"], "optional": True}


async def test_authorization_tells_what_is_demanded_and_what_the_caller_has() -> None:
    rule = AccessRule(frozenset({"GET"}), scopes=frozenset({"orders:read", "orders:all"}))
    layer = AuthorizationMiddleware([rule])
    demanded = "GET: scopes orders:all, orders:read"
    assert await told(layer) == {"demanded": demanded, "caller": None}
    context = RequestContext(0)
    context.identity = Identity("anna", "jwt", scopes=frozenset({"orders:read"}), roles=frozenset({"clerk"}))
    has = {"caller": "anna", "proved by": "jwt", "scopes": ["orders:read"], "roles": ["clerk"]}
    assert await told(layer, GET, context) == {"demanded": demanded, **has, "lacks": "scopes"}
    assert await told(layer, POST, context) == {"demanded": None, **has, "lacks": None}


async def test_an_ip_filter_tells_which_network_decides() -> None:
    layer = IpFilterMiddleware(["192.0.2.0/24", "2001:db8::/32"], ["192.0.2.4/30"])
    assert await told(layer) == {"address": "192.0.2.7", "denied by": "192.0.2.4/30", "allowed by": "192.0.2.0/24"}
    elsewhere = RequestContext(0, "2001:db8::7", "http", "1.1")
    assert await told(layer, GET, elsewhere) == {
        "address": "2001:db8::7",
        "denied by": None,
        "allowed by": "2001:db8::/32",
    }
    assert await told(IpFilterMiddleware([], ["192.0.2.4/30"]), GET, RequestContext(0)) == {
        "address": None,
        "denied by": None,
    }


async def test_a_header_filter_tells_names_and_no_values() -> None:
    layer = HeaderFilterMiddleware(
        allow=["x-shop-*", "x-key"],
        deny=[("x-key", lambda value: value == "secret-7"), ("user-agent", lambda value: "map" in value)],
        require=[("x-tenant", str.isalpha), ("x-shop-version", str.isdecimal)],
    )
    headers = {"host": "a", "x-key": "secret-7", "user-agent": "curl", "x-shop-version": "one", "x-shop-id": "1"}
    assert await told(layer, Request("GET", "/", headers)) == {
        "denied": ["x-key"],
        "lacking": ["x-shop-version", "x-tenant"],
        "dropped": ["user-agent"],
    }


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {}, {"origin": None, "allowed": False, "preflight": False}),
        ("GET", {"origin": "https://a.example"}, {"origin": "https://a.example", "allowed": True, "preflight": False}),
        (
            "OPTIONS",
            {"origin": "https://b.example", "access-control-request-method": "PUT"},
            {"origin": "https://b.example", "allowed": False, "preflight": True},
        ),
    ],
    ids=["no-page", "a-page", "a-preflight"],
)
async def test_cors_tells_the_origin_and_whether_it_is_allowed(
    method: str, headers: dict[str, str], expected: Facts
) -> None:
    assert await told(CorsMiddleware(["https://a.example"]), Request(method, "/", headers)) == expected


async def chunks() -> AsyncIterator[bytes]:
    yield b"order"


async def test_a_body_limit_tells_the_length_as_far_as_it_is_known() -> None:
    limit = BodyLimitMiddleware(10)
    assert await told(limit, POST) == {"limit": 10, "length": "5"}
    assert await told(limit, Request("POST", "/", body=chunks())) == {"limit": 10, "length": None}
    announced = Request("POST", "/", {"content-length": "7"}, chunks())
    assert await told(limit, announced) == {"limit": 10, "length": "7"}


async def test_a_fallback_tells_for_what_and_by_whom() -> None:
    stated = FallbackMiddleware(StatedResponse(200), on=[503, "circuit_open"])
    assert await told(stated, POST) == {
        "on": ["circuit_open", 503],
        "instead": "a stated answer",
        "once it was sent": True,
    }
    assert await told(FallbackMiddleware(answering(200)), POST) == {
        "on": "any 5xx of the gateway's own",
        "instead": "another service",
        "once it was sent": False,
    }


async def test_validation_tells_what_is_looked_at() -> None:
    layer = RequestValidationMiddleware(content_types=["application/json"], max_body=99, required=True)
    request = Request("POST", "/", {"content-type": "text/plain"}, b"order")
    assert await told(layer, request) == {
        "query": False,
        "required": True,
        "types": "application/json",
        "type": "text/plain",
        "limit": 99,
        "schema": False,
        "depth": None,
        "items": None,
    }


async def test_a_transform_tells_the_names_of_the_headers_that_change() -> None:
    layer = TransformMiddleware(
        ManualClock(),
        request_headers=HeaderTransform(
            on_request=True,
            remove=["x-debug", "x-internal-*"],
            rename={"x-old": "x-new"},
            set={"x-tenant": Template("{identity.tier}")},
            add={"x-via": Template("gateway")},
        ),
    )
    assert await told(layer) == {
        "request headers": {
            "removed": ["x-debug", "x-internal-*"],
            "renamed": ["x-old -> x-new"],
            "set": ["x-tenant"],
            "added": ["x-via"],
        },
        "request body": False,
        "response headers": {},
        "response body": False,
    }


@pytest.mark.parametrize(("peer", "trusted"), [("10.0.0.9", True), ("192.0.2.7", False)])
async def test_forwarded_tells_whether_the_peer_is_believed(peer: str, trusted: bool) -> None:
    layer = ForwardedMiddleware(["10.0.0.0/8"])
    assert await told(layer, GET, RequestContext(0, peer, "http", "1.1")) == {"peer": peer, "trusted": trusted}
