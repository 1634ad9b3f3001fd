"""Cache admin: what an operator asks to forget is forgotten, everywhere, and mistakes are told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx2 as httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from api_gateway import ApiGateway, Request, RequestContext, Response, Route, Router
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_store import StoreUnavailable
from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.core.clock import SystemClock
from api_gateway.core.identity import Identity
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from api_gateway.server.cache_admin import LONGEST_BODY, PATH, LocalPurger, Purger, WorkersPurger, purge_route
from api_gateway.server.sockets import listen_unix


async def service(_request: Request, _context: RequestContext) -> Response:
    return Response(200, {"cache-control": "max-age=60", "cache-tag": "all"}, b"text")


def made(store: MemoryCacheStore | None = None, policy: CachePolicy | None = None) -> ApiGateway:
    clock = SystemClock()
    cache = CacheMiddleware(store or MemoryCacheStore(1_000_000, clock), policy, clock, Random(1))
    return ApiGateway(Router([Route("/a/*", "service", middleware=[cache])]), {"service": service})


async def fill(gateway: ApiGateway, *paths: str, identity: Identity | None = None) -> None:
    for path in paths:
        context = RequestContext()
        context.identity = identity
        await (await gateway.handle(Request("GET", path, {"host": "X.example:80"}), context)).read()


async def hits(gateway: ApiGateway, *paths: str) -> list[bool]:
    answers = [await gateway.handle(Request("GET", path, {"host": "x.example"})) for path in paths]
    return ["; hit" in (answer.header("cache-status") or "") for answer in answers]


@asynccontextmanager
async def admin(purger: Purger) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Starlette(routes=[purge_route(purger)]))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        yield client


PATHS = ("/a/1", "/a/1?q=2", "/a/b/2", "/a/c")


@pytest.mark.parametrize(
    ("what", "purged", "left"),
    [
        ({"url": "http://x.example/a/1"}, 1, [False, True, True, True]),
        ({"url": "http://X.EXAMPLE:80/a/%31"}, 1, [False, True, True, True]),
        ({"url": "http://x.example/a/1?q=2"}, 1, [True, False, True, True]),
        ({"url": "https://x.example/a/1"}, 0, [True, True, True, True]),
        ({"prefix": "http://x.example/a/1"}, 2, [False, False, True, True]),
        ({"prefix": "http://x.example/a/b/"}, 1, [True, True, False, True]),
        ({"tag": "all"}, 4, [False, False, False, False]),
        ({"tag": "al"}, 0, [True, True, True, True]),
    ],
    ids=str,
)
async def test_what_is_named_is_forgotten_and_nothing_else(what: dict[str, str], purged: int, left: list[bool]) -> None:
    gateway = made()
    await fill(gateway, *PATHS)
    async with admin(LocalPurger(gateway)) as client:
        answer = await client.post(PATH, json=what)
    assert (answer.status_code, answer.json()) == (200, {"purged": purged, "caches": 1, "workers": 1, "answered": 1})
    assert await hits(gateway, *PATHS) == left


async def test_a_url_is_forgotten_for_every_caller_that_has_answers_of_its_own() -> None:
    gateway = made(policy=CachePolicy(identified="separate"))
    for name in ("alice", "bob"):
        await fill(gateway, "/a/1", "/a/2", identity=Identity(name, "jwt"))
    async with admin(LocalPurger(gateway)) as client:
        answer = await client.post(PATH, json={"url": "http://x.example/a/1"})
    assert answer.json()["purged"] == 2


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "exactly one"),
        (b"{}", 400, "exactly one"),
        (b'{"url": "http://a/", "tag": "b"}', 400, "exactly one"),
        (b'{"name": "x"}', 400, "nothing of that name"),
        (b'{"tag": 1}', 400, "tag must be a text"),
        (b'{"tag": " "}', 400, "tag is empty"),
        (b'{"url": "/a/1"}', 400, "a URL is absolute"),
        (b'{"url": "http://x:y@h/"}', 400, "a URL is absolute"),
        (b'{"url": "http://h:port/%zz"}', 400, ""),
        (b'{"url": "http://[::1/"}', 400, ""),
        (b'{"prefix": "/a"}', 400, "a prefix begins with"),
        (b" " * (LONGEST_BODY + 1), 413, "longer"),
    ],
)
async def test_a_mistake_is_answered_with_what_to_write(body: bytes, status: int, said: str) -> None:
    async with admin(LocalPurger(made())) as client:
        answer = await client.post(PATH, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status
        assert said in answer.json()["error"]


async def test_a_web_page_cannot_purge_from_a_browser() -> None:
    async with admin(LocalPurger(made())) as client:
        answer = await client.post(PATH, content=b'{"tag": "all"}', headers={"content-type": "text/plain"})
        assert answer.status_code == 415
        assert (await client.get(PATH)).status_code == 405


async def test_without_a_cache_there_is_nothing_to_purge() -> None:
    gateway = ApiGateway(Router([Route("/*", "service")]), {"service": service})
    async with admin(LocalPurger(gateway)) as client:
        assert (await client.post(PATH, json={"tag": "all"})).status_code == 404


class OutOfReach(MemoryCacheStore):
    async def purge_tag(self, tag: str) -> int:
        raise StoreUnavailable("refused")


async def test_a_store_out_of_reach_is_503() -> None:
    async with admin(LocalPurger(made(OutOfReach(1_000_000, SystemClock())))) as client:
        answer = await client.post(PATH, json={"tag": "all"})
    assert (answer.status_code, answer.json()["answered"]) == (503, 0)
    assert "out of reach" in answer.json()["error"]


@asynccontextmanager
async def worker(gateway: ApiGateway, path: Path) -> AsyncIterator[None]:
    """The admin pages of a worker, on their Unix-domain socket."""
    application = Starlette(routes=[purge_route(LocalPurger(gateway))])
    config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = listen_unix(path)
    await server.startup(sockets=[listener])
    try:
        yield
    finally:
        await server.shutdown(sockets=[listener])


async def test_every_worker_is_asked_and_one_that_is_gone_makes_it_503(tmp_path: Path) -> None:
    gateways, paths = [made(), made()], [tmp_path / "1", tmp_path / "2"]
    for gateway in gateways:
        await fill(gateway, *PATHS)
    async with worker(gateways[0], paths[0]), WorkersPurger(paths) as purger, admin(purger) as client:
        async with worker(gateways[1], paths[1]):
            answer = await client.post(PATH, json={"prefix": "http://x.example/a/1"})
            assert answer.json() == {"purged": 4, "caches": 1, "workers": 2, "answered": 2}
        answer = await client.post(PATH, json={"tag": "all"})
        assert answer.status_code == 503
        assert answer.json() == {
            "purged": 2,
            "caches": 1,
            "workers": 2,
            "answered": 1,
            "error": "1 of 2 workers did not answer",
        }
