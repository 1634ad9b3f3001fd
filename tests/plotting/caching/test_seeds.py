"""The bugs are there: if one of them went, the notebook would show nothing."""

import asyncio
from collections.abc import Callable

import pytest

from api_gateway.core.middleware import Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.caching.seeds import LockedCache, SeedCache
from api_gateway.simulation import run


async def answers(cache: Middleware, *targets: str, pause: float = 0.0, control: str = "no-store") -> list[bytes]:
    """Of one target after the other; the service counts."""
    count = 0

    async def service(request: Request, context: RequestContext) -> Response:
        nonlocal count
        count += 1
        return Response.text(str(count), headers={"cache-control": control})

    got = []
    for target in targets:
        got.append(await (await cache(Request("GET", target), RequestContext(), service)).read())
        await asyncio.sleep(pause)
    return got


def test_the_seed_s_key_forgets_the_query_and_heeds_no_directive() -> None:
    assert run(lambda: answers(SeedCache(10), "/a?user=1", "/a?user=2", "/b")) == [b"1", b"1", b"2"]


def test_the_seed_s_answers_run_out() -> None:
    assert run(lambda: answers(SeedCache(10), "/a", "/a", "/a", pause=6)) == [b"1", b"1", b"2"]


def test_the_locked_one_keeps_what_it_may() -> None:
    assert run(lambda: answers(LockedCache(), "/a", "/a")) == [b"1", b"2"]
    assert run(lambda: answers(LockedCache(), "/a", "/a", control="max-age=1")) == [b"1", b"1"]


@pytest.mark.parametrize(("make", "seconds"), [(lambda: SeedCache(10), 1), (LockedCache, 5)])
def test_who_comes_together_asks_at_once_or_one_after_the_other(make: Callable[[], Middleware], seconds: float) -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(1)
        return Response.text("x", headers={"cache-control": "no-store"})

    async def main() -> float:
        cache = make()
        await asyncio.gather(*[cache(Request("GET", "/"), RequestContext(), service) for _ in range(5)])
        return asyncio.get_running_loop().time()

    assert run(main) == seconds
