"""Whatever the cache answers, the service would have answered to the same caller."""

from __future__ import annotations

from random import Random

from broken import CacheMiddleware

from api_gateway import Request, RequestContext, Response, chain
from api_gateway.core.identity import Identity
from api_gateway.simulation import run

CALLERS = [None, *(Identity(subject, "jwt", issuer="https://id.example") for subject in ("alice", "bob"))]


class Service:
    """Tells everybody who they are and in which language they asked."""

    def __init__(self, vary: str = "Accept-Language") -> None:
        self.vary = vary
        self.asked = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked += 1
        caller = context.identity.subject if context.identity else "nobody"
        fields = [request.header(name) for name in ("accept-language", "accept-encoding", "host")]
        return Response.text(f"{caller} {request.target} {fields}", headers={"vary": self.vary})


async def ask(cache: CacheMiddleware, service: Service, request: Request, caller: Identity | None = None) -> str:
    context = RequestContext()
    context.identity = caller
    return (await (await chain([cache], service)(request, context)).read()).decode()


def test_what_was_asked_before_is_answered_without_the_service() -> None:
    async def scenario() -> int:
        cache, service = CacheMiddleware(), Service()
        for _ in range(5):
            await ask(cache, service, Request("GET", "/products?page=2", headers={"accept-language": "fr"}))
        return service.asked

    asked = run(scenario)
    assert asked == 1, f"one caller asked five times for the same, and the service was asked {asked} times: no cache"


def test_nobody_gets_what_was_kept_for_another() -> None:
    async def scenario() -> str:
        cache, service = CacheMiddleware(), Service()
        alice, bob = CALLERS[1:]
        await ask(cache, service, Request("GET", "/account"), alice)
        return await ask(cache, service, Request("GET", "/account"), bob)

    answer = run(scenario)
    assert answer.startswith("bob"), f"Bob asked for /account and got the answer that was made for Alice: {answer!r}"


def test_an_answer_that_varies_is_kept_for_those_who_agree() -> None:
    async def scenario() -> str:
        cache, service = CacheMiddleware(), Service()
        await ask(cache, service, Request("GET", "/", headers={"accept-language": "de"}))
        return await ask(cache, service, Request("GET", "/", headers={"accept-language": "fr"}))

    answer = run(scenario)
    assert "'fr'" in answer, f"the service says `Vary: Accept-Language`; who asked in French got {answer!r}"


def test_vary_with_a_star_agrees_with_nobody() -> None:
    async def scenario() -> int:
        cache, service = CacheMiddleware(), Service(vary="*")
        for _ in range(3):
            await ask(cache, service, Request("GET", "/weather"))
        return service.asked

    assert run(scenario) == 3, "`Vary: *` says: it depends on more than the request. It was answered from the cache"


def test_with_and_without_the_cache_the_answers_are_the_same() -> None:
    async def scenario() -> None:
        random = Random(3)
        cache, service = CacheMiddleware(), Service("accept-language, Accept-Encoding")
        for _ in range(1_500):
            headers = {"host": random.choice(["a.example", "b.example"])}
            for name in ("accept-language", "accept-encoding"):
                if random.random() < 0.7:
                    headers[name] = random.choice(["x", "y", "x, y"])
            request = Request("GET", random.choice(["/a", "/a?b", "/a?c", "/b"]), headers=headers)
            caller = random.choice(CALLERS)
            direct = await ask(CacheMiddleware(), service, request, caller)
            cached = await ask(cache, service, request, caller)
            assert cached == direct, f"the service answers {direct!r} to this request, the cache {cached!r}"

    run(scenario)
