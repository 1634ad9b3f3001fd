"""Cache: what clients get, what the service is asked, and what is left when somebody leaves or fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from random import Random

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_store import StoreUnavailable
from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.core.errors import CircuitOpen, GatewayError, NoHealthyEndpoint, RateLimited
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Handler
from api_gateway.core.upstream_errors import UpstreamReset, UpstreamTimeout
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from api_gateway.middleware.cache.origin import NotCached
from api_gateway.middleware.cache.purge import Purge
from api_gateway.simulation import VirtualClock, run

FRESH = {"cache-control": "max-age=60"}


class Service:
    """Answers `answer(number)` after `takes` seconds, counting what is under way and what is not closed."""

    def __init__(self, answer: Callable[[int, Request], Response], takes: float = 0.0) -> None:
        self.answer = answer
        self.takes = takes
        self.requests: list[Request] = []
        self.under_way = self.most_under_way = self.open = 0

    @property
    def calls(self) -> int:
        return len(self.requests)

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.requests.append(request)
        number = self.calls
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.takes:
                await asyncio.sleep(self.takes)
            response = self.answer(number, request)
        finally:
            self.under_way -= 1
        self.open += 1

        def closed() -> None:
            self.open -= 1

        response.on_close(closed)
        return response


def streamed(chunks: Sequence[bytes], pause: float = 0.0, error: Exception | None = None) -> AsyncIterator[bytes]:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            await asyncio.sleep(pause)
            yield chunk
        if error is not None:
            raise error

    return body()


def get(path: str = "/a", **headers: str) -> Request:
    fields = {"host": "x.example", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Request("GET", path, fields)


class Cache:
    """A cache before a service, in virtual time."""

    def __init__(self, service: Handler, policy: CachePolicy | None = None, **options: int) -> None:
        self.clock = VirtualClock(start=1_800_000_000)
        self.store = MemoryCacheStore(10_000_000, self.clock)
        policy = policy or CachePolicy(early_refresh=0.0)
        self.middleware = CacheMiddleware(self.store, policy, self.clock, Random(1), **options)
        self.service = service

    async def ask(self, request: Request | None = None, identity: Identity | None = None) -> Response:
        context = RequestContext(self.clock.monotonic())
        context.identity = identity
        return await self.middleware(request or get(), context, self.service)

    async def read(self, request: Request | None = None, identity: Identity | None = None) -> tuple[int, bytes, str]:
        response = await self.ask(request, identity)
        return response.status, await response.read(), response.header("cache-status") or ""

    def count(self, result: str) -> int:
        return dict(self.middleware.counts.requests)[result]  # type: ignore[index]


def fresh(number: int, request: Request) -> Response:
    return Response(200, FRESH, streamed([b"answer ", b"%d" % number]))


def simulated(test: Callable[[], Coroutine[object, object, None]]) -> Callable[[], None]:
    """Run a test in virtual time; no task may be left when it ends."""

    def run_test() -> None:
        async def main() -> None:
            await test()
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1, "a task is left"

        run(main)

    run_test.__name__ = test.__name__
    return run_test


@simulated
async def test_a_streamed_answer_is_kept_and_served_again_with_its_age() -> None:
    service = Service(fresh)
    cache = Cache(service)
    status, body, label = await cache.read()
    assert (status, body) == (200, b"answer 1")
    assert label == "api-gateway; fwd=uri-miss; fwd-status=200; ttl=60; stored"
    await asyncio.sleep(10)
    response = await cache.ask()
    assert (response.body, response.header("age")) == (b"answer 1", "10")
    assert response.header("cache-status") == "api-gateway; hit; ttl=50"
    await asyncio.sleep(51)
    assert (await cache.read())[1] == b"answer 2"
    assert (service.calls, service.open, cache.count("hit"), cache.count("miss")) == (2, 0, 1, 2)


@simulated
async def test_a_head_is_answered_from_a_stored_get() -> None:
    service = Service(fresh)
    cache = Cache(service)
    await cache.read()
    response = await cache.ask(Request("HEAD", "/a", {"host": "x.example"}))
    assert (response.status, response.body, service.calls) == (200, b"", 1)


@simulated
async def test_a_client_with_the_current_version_gets_304_from_here() -> None:
    service = Service(lambda _n, _r: Response(200, {**FRESH, "etag": '"v1"'}, b"text"))
    cache = Cache(service)
    await cache.read()
    status, body, label = await cache.read(get(if_none_match='"v1"'))
    assert (status, body, service.calls) == (304, b"", 1)
    assert label.startswith("api-gateway; hit")


@simulated
async def test_a_stale_answer_is_validated_and_the_304_is_closed() -> None:
    def answer(number: int, request: Request) -> Response:
        if request.header("if-none-match") == '"v1"':
            return Response(304, {**FRESH, "etag": '"v1"'})
        return Response(200, {**FRESH, "etag": '"v1"'}, b"text")

    service = Service(answer)
    cache = Cache(service)
    await cache.read()
    await asyncio.sleep(61)
    assert (await cache.read())[:2] == (200, b"text")
    assert cache.count("revalidated") == 1
    await asyncio.sleep(30)
    assert (await cache.read())[2] == "api-gateway; hit; ttl=30"
    assert (service.calls, service.open) == (2, 0)


@simulated
async def test_only_if_cached_without_anything_cached_is_504_and_asks_nobody() -> None:
    service = Service(fresh)
    cache = Cache(service)
    with pytest.raises(NotCached) as caught:
        await cache.ask(get(cache_control="only-if-cached"))
    assert caught.value.status == 504
    assert service.calls == 0


@simulated
async def test_a_cut_body_is_not_kept() -> None:
    service = Service(lambda _n, _r: Response(200, FRESH, streamed([b"half"], error=UpstreamReset())))
    cache = Cache(service)
    with pytest.raises(UpstreamReset):
        await cache.read()
    assert (cache.store.entries, service.open, cache.middleware.flights) == (0, 0, 0)


@pytest.mark.parametrize("length", ["3", "9"])
def test_a_body_of_another_length_than_announced_is_not_kept(length: str) -> None:
    @simulated
    async def main() -> None:
        for body in (b"text", streamed([b"te", b"xt"])):
            cache = Cache(Service(lambda _n, _r, body=body: Response(200, {**FRESH, "content-length": length}, body)))  # type: ignore[misc]
            await cache.read()
            assert cache.store.entries == 0

    main()


@simulated
async def test_the_rest_is_abandoned_when_the_only_client_leaves() -> None:
    service = Service(lambda _n, _r: Response(200, FRESH, streamed([b"a", b"b", b"c"], 1.0)))
    cache = Cache(service)
    response = await cache.ask()
    async for _ in (stream := response.stream()):
        break
    await stream.aclose()  # type: ignore[attr-defined]
    assert (service.open, cache.store.entries, cache.middleware.flights) == (0, 0, 0)


@simulated
async def test_a_body_is_kept_as_soon_as_its_announced_length_is_there() -> None:
    service = Service(lambda _n, _r: Response(200, {**FRESH, "content-length": "2"}, streamed([b"a", b"b"])))
    cache = Cache(service)
    response = await cache.ask()
    stream = response.stream()
    assert [await anext(stream), await anext(stream)] == [b"a", b"b"]
    await stream.aclose()  # type: ignore[attr-defined]  # the client has it all, and leaves
    assert (await cache.read())[:2] == (200, b"ab")
    assert (service.calls, service.open) == (1, 0)


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_a_body_streams_on_and_is_not_kept(announced: bool) -> None:
    @simulated
    async def main() -> None:
        headers = {**FRESH, "content-length": "30"} if announced else FRESH
        service = Service(lambda _n, _r: Response(200, headers, streamed([b"x" * 10] * 3, 1.0)), 1.0)
        cache = Cache(service, max_body=15)
        answers = await asyncio.gather(*(cache.read() for _ in range(5)))
        assert {answer[:2] for answer in answers} == {(200, b"x" * 30)}
        assert (cache.store.entries, service.open, cache.middleware.flights) == (0, 0, 0)
        assert service.most_under_way >= (4 if announced else 1)

    main()


@simulated
async def test_a_thousand_at_the_instant_of_expiry_are_one_request() -> None:
    service = Service(lambda n, _r: Response(200, FRESH, streamed([b"answer ", b"%d" % n], 0.5)), 1.0)
    cache = Cache(service)
    answers = await asyncio.gather(*(cache.read() for _ in range(1000)))
    assert {answer[:2] for answer in answers} == {(200, b"answer 1")}
    assert service.calls == 1
    assert [label for *_, label in answers].count("api-gateway; fwd=uri-miss; collapsed") == 999
    await asyncio.sleep(61)
    answers = await asyncio.gather(*(cache.read() for _ in range(1000)))
    assert {answer[:2] for answer in answers} == {(200, b"answer 2")}
    assert (service.calls, service.open, cache.count("collapsed")) == (2, 0, 1998)


@simulated
async def test_who_joins_in_mid_body_gets_all_of_it_while_it_streams() -> None:
    service = Service(lambda _n, _r: Response(200, FRESH, streamed([b"a", b"b", b"c", b"d"], 1.0)))
    cache = Cache(service)
    first = asyncio.create_task(cache.read())
    await asyncio.sleep(2.5)
    second = await cache.ask()
    chunks = [(chunk, asyncio.get_running_loop().time()) async for chunk in second.stream()]
    assert chunks == [(b"a", 3.0), (b"b", 3.0), (b"c", 3.0), (b"d", 4.0)]
    assert (await first)[1] == b"abcd"
    assert (service.calls, service.open) == (1, 0)


@simulated
async def test_the_first_ones_leaving_takes_nothing_from_the_others() -> None:
    service = Service(lambda _n, _r: Response(200, FRESH, streamed([b"a", b"b", b"c"], 1.0)), 1.0)
    cache = Cache(service)
    first = asyncio.create_task(cache.read())
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(cache.read()) for _ in range(3)]
    await asyncio.sleep(2)
    first.cancel()
    others[0].cancel()
    assert [await other for other in others[1:]] == [(200, b"abc", "api-gateway; fwd=uri-miss; collapsed")] * 2
    assert (service.calls, service.open, cache.store.entries) == (1, 0, 1)


@simulated
async def test_one_of_those_who_wait_takes_over_when_the_first_leaves_before_the_head() -> None:
    service = Service(fresh, 1.0)
    cache = Cache(service)
    first = asyncio.create_task(cache.read())
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(cache.read()) for _ in range(5)]
    await asyncio.sleep(0.1)
    first.cancel()
    answers = await asyncio.gather(*others)
    assert {answer[1] for answer in answers} == {b"answer 2"}
    assert (service.calls, service.most_under_way, service.open) == (2, 1, 0)


@simulated
async def test_an_answer_that_may_not_be_shared_lets_all_go_at_once() -> None:
    service = Service(lambda n, _r: Response(200, {"cache-control": "private"}, b"%d" % n), 1.0)
    cache = Cache(service)
    answers = await asyncio.gather(*(cache.read() for _ in range(100)))
    assert len({answer[1] for answer in answers}) == 100
    assert asyncio.get_running_loop().time() == 2.0  # one to learn it, then all
    await asyncio.gather(*(cache.read() for _ in range(100)))
    assert asyncio.get_running_loop().time() == 3.0  # and it is remembered
    assert (service.open, cache.store.entries) == (0, 0)


@simulated
async def test_a_transient_failure_hands_the_work_to_one_who_waits() -> None:
    def answer(number: int, request: Request) -> Response:
        if number == 1:
            raise UpstreamReset("gone")
        return fresh(number, request)

    service = Service(answer, 1.0)
    cache = Cache(service)
    answers = await asyncio.gather(*(cache.read() for _ in range(10)), return_exceptions=True)
    assert isinstance(answers[0], UpstreamReset)
    assert {answer[1] for answer in answers[1:] if not isinstance(answer, BaseException)} == {b"answer 2"}
    assert (service.calls, service.most_under_way) == (2, 1)


@simulated
async def test_a_service_that_is_down_is_not_asked_once_for_each_that_waits() -> None:
    def answer(number: int, request: Request) -> Response:
        raise UpstreamTimeout("no answer")

    service = Service(answer, 3.0)
    cache = Cache(service)
    answers = await asyncio.gather(*(cache.read() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(answer, UpstreamTimeout) for answer in answers)
    assert len({id(answer) for answer in answers}) == 50
    assert service.calls == 2
    assert asyncio.get_running_loop().time() == 6.0


@simulated
async def test_a_refusal_that_concerns_the_first_alone_is_not_the_others() -> None:
    def answer(number: int, request: Request) -> Response:
        if number <= 3:
            raise RateLimited("you")
        return fresh(number, request)

    service = Service(answer, 1.0)
    cache = Cache(service)
    answers = await asyncio.gather(*(cache.read() for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 3
    assert service.calls == 4


FAILURES: list[GatewayError | int] = [CircuitOpen(), NoHealthyEndpoint(), UpstreamTimeout(), UpstreamReset(), 500, 503]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_failure_of_the_service_is_hidden_by_a_stale_answer(failure: GatewayError | int) -> None:
    @simulated
    async def main() -> None:
        def answer(number: int, request: Request) -> Response:
            if number == 1:
                return Response(200, {"cache-control": "max-age=10, stale-if-error=60"}, b"old")
            if isinstance(failure, int):
                return Response(failure, {}, streamed([b"oops"]))
            raise failure

        service = Service(answer, 1.0)
        cache = Cache(service)
        await cache.read()
        await asyncio.sleep(20)
        answers = await asyncio.gather(*(cache.read() for _ in range(10)))
        assert {answer[:2] for answer in answers} == {(200, b"old")}
        assert (service.calls, service.open, cache.count("stale")) == (2, 0, 10)
        await asyncio.sleep(60)
        if isinstance(failure, int):
            assert (await cache.read())[0] == failure
        else:
            with pytest.raises(type(failure)):
                await cache.read()

    main()


@simulated
async def test_stale_while_revalidate_answers_at_once_and_refreshes_once() -> None:
    def answer(number: int, request: Request) -> Response:
        return Response(200, {"cache-control": "max-age=10, stale-while-revalidate=60"}, streamed([b"%d" % number]))

    service = Service(answer, 1.0)
    cache = Cache(service)
    await cache.read()
    await asyncio.sleep(15)
    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(cache.read() for _ in range(20)))
    assert {answer[1] for answer in answers} == {b"1"}
    assert asyncio.get_running_loop().time() == began
    assert cache.middleware.background == 1
    await asyncio.sleep(2)
    assert (await cache.read())[1] == b"2"
    assert (service.calls, service.open, cache.middleware.counts.refreshes) == (2, 0, 1)


@simulated
async def test_a_refresh_that_hangs_ends_at_its_deadline() -> None:
    def answer(number: int, request: Request) -> Response:
        text = {"cache-control": "max-age=10, stale-while-revalidate=600"}
        return Response(200, text, b"old" if number == 1 else streamed([b"a", b"b"], 1000.0))

    service = Service(answer)
    cache = Cache(service, refresh_timeout=5)
    await cache.read()
    await asyncio.sleep(15)
    assert (await cache.read())[1] == b"old"
    await asyncio.sleep(6)
    assert (cache.middleware.background, service.open) == (0, 0)
    assert cache.middleware.counts.refresh_failures == 1


@simulated
async def test_refreshes_are_bounded_in_number() -> None:
    def answer(number: int, request: Request) -> Response:
        return Response(200, {"cache-control": "max-age=10, stale-while-revalidate=600"}, b"x")

    service = Service(answer)
    cache = Cache(service, refreshes=2)
    for path in "abcde":
        await cache.read(get(f"/{path}"))
    await asyncio.sleep(15)
    service.takes = 1.0
    for path in "abcde":
        await cache.read(get(f"/{path}"))
    assert cache.middleware.background == 2
    await asyncio.sleep(2)
    assert service.calls == 7


@simulated
async def test_closing_ends_what_goes_on_in_the_background() -> None:
    service = Service(lambda _n, _r: Response(200, {"cache-control": "max-age=10, stale-while-revalidate=600"}, b"x"))
    cache = Cache(service)
    await cache.read()
    await asyncio.sleep(15)
    service.takes = 100.0
    await cache.read()
    await asyncio.sleep(1)
    await cache.middleware.close()
    await cache.middleware.close()
    assert (service.under_way, cache.middleware.background) == (0, 0)
    await cache.read()
    assert cache.middleware.background == 0


@simulated
async def test_variants_do_not_wait_for_each_other_twice() -> None:
    def answer(number: int, request: Request) -> Response:
        language = request.header("accept-language") or ""
        return Response(200, {**FRESH, "vary": "accept-language"}, streamed([language.encode()], 1.0))

    service = Service(answer, 1.0)
    cache = Cache(service)
    languages = ["de", "en", "fr"] * 10
    answers = await asyncio.gather(*(cache.read(get(accept_language=language)) for language in languages))
    assert [answer[1].decode() for answer in answers] == languages
    assert service.calls == 3
    answers = await asyncio.gather(*(cache.read(get(accept_language=language)) for language in languages))
    assert service.calls == 3
    assert [answer[1].decode() for answer in answers] == languages


@simulated
async def test_a_change_is_seen_by_whoever_asks_after_it() -> None:
    version = [1]

    def answer(number: int, request: Request) -> Response:
        if request.method == "POST":
            version[0] += 1
            return Response(204)
        return Response(200, FRESH, b"version %d" % version[0])

    service = Service(answer, 0.0)
    cache = Cache(service)
    await cache.read()
    await cache.read(Request("POST", "/a", {"host": "x.example"}))
    assert (await cache.read())[1] == b"version 2"


def slow_shop() -> Handler:
    """Reads what there is at once and takes a second to say it; a POST changes it."""
    version = 1

    async def service(request: Request, _context: RequestContext) -> Response:
        nonlocal version
        if request.method == "POST":
            version += 1
            return Response(204)
        text = b"version %d" % version
        await asyncio.sleep(1.0)
        return Response(200, FRESH, text)

    return service


@simulated
async def test_an_answer_from_before_a_change_is_not_kept_after_it() -> None:
    cache = Cache(slow_shop())
    early = asyncio.create_task(cache.read())
    await asyncio.sleep(0.5)
    await cache.read(Request("POST", "/a", {"host": "x.example"}))
    assert (await early)[1] == b"version 1"
    assert (cache.store.entries, cache.middleware.keeper.outdated) == (0, 1)
    assert (await cache.read())[1] == b"version 2"


@simulated
async def test_nobody_joins_a_request_from_before_a_change() -> None:
    cache = Cache(slow_shop())
    early = asyncio.create_task(cache.read())
    await asyncio.sleep(0.5)
    await cache.read(Request("POST", "/a", {"host": "x.example"}))
    late = asyncio.create_task(cache.read())
    assert ((await early)[1], (await late)[1]) == (b"version 1", b"version 2")
    assert (await cache.read())[1] == b"version 2"


class DownStore(MemoryCacheStore):
    """A store that is out of reach while `down`."""

    down = True
    nearby = None

    async def get(self, key: str) -> Sequence[StoredResponse]:
        if self.down:
            raise StoreUnavailable("refused")
        return await super().get(key)

    async def put(self, key: str, response: StoredResponse, lifetime: float) -> None:
        if self.down:
            raise StoreUnavailable("refused")
        await super().put(key, response, lifetime)


@simulated
async def test_a_store_that_is_down_is_a_miss_and_flights_go_on() -> None:
    service = Service(fresh, 1.0)
    cache = Cache(service)
    store = DownStore(1_000_000, cache.clock)
    cache.middleware = CacheMiddleware(store, CachePolicy(), cache.clock, Random(1))
    answers = await asyncio.gather(*(cache.read() for _ in range(10)))
    assert ({answer[1] for answer in answers}, service.calls) == ({b"answer 1"}, 1)
    assert not cache.middleware.keeper.reachable
    assert (await cache.read())[1] == b"answer 2"
    await asyncio.sleep(1)  # what was written in the background is lost
    store.down = False
    await cache.read()
    await asyncio.sleep(1)
    assert (await cache.read())[1] == b"answer 3"
    assert cache.middleware.keeper.reachable


def test_a_store_that_goes_down_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    @simulated
    async def main() -> None:
        cache = Cache(Service(fresh))
        cache.middleware = CacheMiddleware(DownStore(1_000_000, cache.clock), clock=cache.clock)
        for _ in range(3):
            await cache.read()

    main()
    assert [record.message.split(",")[0] for record in caplog.records] == ["the cache's store is out of reach"]


@simulated
async def test_tags_are_kept_for_purging_and_not_shown_to_clients() -> None:
    service = Service(lambda number, _r: Response(200, {**FRESH, "cache-tag": "shop, sale"}, b"%d" % number))
    cache = Cache(service)
    for _ in range(2):
        response = await cache.ask()
        assert response.header("cache-tag") is None
    assert await cache.middleware.purge(Purge("tag", "sale")) == 1
    assert (await cache.read())[1] == b"2"


@simulated
async def test_what_is_under_way_during_a_purge_is_not_kept() -> None:
    service = Service(fresh, 1.0)
    cache = Cache(service)
    early = asyncio.create_task(cache.read())
    await asyncio.sleep(0.5)
    await cache.middleware.purge(Purge("prefix", "http://x.example/"))
    await early
    assert (cache.store.entries, cache.middleware.keeper.outdated) == (0, 1)


ALICE, BOB = Identity("alice", "jwt", "https://id.example"), Identity("bob", "jwt", "https://id.example")


def personal(number: int, request: Request) -> Response:
    return Response(200, FRESH, (request.header("x-user-id") or "nobody").encode())


@simulated
async def test_the_seeds_bug_one_users_data_served_to_another() -> None:
    service = Service(personal, 1.0)
    cache = Cache(service)
    asked = [(ALICE, "alice"), (BOB, "bob"), (None, "nobody")] * 5
    answers = await asyncio.gather(
        *(cache.read(get("/me", x_user_id=name) if name != "nobody" else get("/me"), who) for who, name in asked)
    )
    assert [answer[1].decode() for answer in answers] == [name for _, name in asked]


@simulated
async def test_with_one_cache_for_each_caller_nobody_sees_anothers() -> None:
    service = Service(personal, 1.0)
    cache = Cache(service, CachePolicy(identified="separate", early_refresh=0.0))
    asked = [(ALICE, "alice"), (BOB, "bob")] * 5
    answers = await asyncio.gather(*(cache.read(get("/me", x_user_id=name), who) for who, name in asked))
    assert [answer[1].decode() for answer in answers] == [name for _, name in asked]
    assert service.calls == 2


@simulated
async def test_an_answer_that_sets_a_cookie_is_neither_kept_nor_shared() -> None:
    service = Service(lambda n, _r: Response(200, {**FRESH, "set-cookie": f"session={n}"}, b"x"), 1.0)
    cache = Cache(service)
    answers = await asyncio.gather(*(cache.ask() for _ in range(10)))
    assert len({answer.header("set-cookie") for answer in answers}) == 10
    assert cache.store.entries == 0
