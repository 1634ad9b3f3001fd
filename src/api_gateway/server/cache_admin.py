"""Cache admin: forget what the caches keep, on the admin port.

    POST /cache/purge   {"url": "https://shop.example/products/7"}
                        {"prefix": "https://shop.example/products/"}
                        {"tag": "sale"}

    200 {"purged": 12, "caches": 1, "workers": 2, "answered": 2}

| answer | because                                                                                          |
|--------|--------------------------------------------------------------------------------------------------|
| 200    | nothing of it is kept any more                                                                   |
| 400    | the body is not one of the three above                                                           |
| 404    | no cache is configured                                                                           |
| 413    | it is longer than anybody needs                                                                  |
| 415    | it is not sent as application/json: so no web page can send it from a browser behind one's back  |
| 503    | a shared store, or one of the workers, could not be asked: something may be kept still           |

Rule: a memory store is each worker's own, so a supervisor asks every worker, over the socket of its admin pages. All
are asked before the answer is given, and one that does not answer makes it a 503 with the counts of the others.

What it does not do: authenticate (see `admin.py`), or reach other machines: gateways that share nothing are each asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import httpx2 as httpx
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gateway.caching.cache_store import StoreUnavailable
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from api_gateway.middleware.cache.purge import Purge, PurgeKind
from api_gateway.routing.router import Router

PATH = "/cache/purge"
LONGEST_BODY = 64 * 1024
PATIENCE = 10.0
"""Seconds for a worker to purge: it may have a large table to look through."""

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_KINDS: tuple[PurgeKind, ...] = ("url", "prefix", "tag")
_REMEDY = 'send {"url": ...}, {"prefix": ...} or {"tag": ...}'


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What was forgotten, and by whom."""

    purged: int
    """Answers."""
    caches: int
    """Caches in each worker."""
    workers: int = 1
    answered: int = 1
    """Workers that have purged."""
    error: str = ""
    """Why something may be kept still; empty if nothing is."""


class Purger(Protocol):
    """Whoever can make caches forget."""

    async def purge(self, what: Purge) -> PurgeReport:
        """Forget `what` in every cache."""
        ...


class LocalPurger:
    """The caches of a gateway in this process."""

    def __init__(self, gateway: ApiGateway) -> None:
        self._caches = caches_of(gateway)

    async def purge(self, what: Purge) -> PurgeReport:
        """See `Purger`."""
        purged, errors = 0, []
        for cache in self._caches:
            try:
                purged += await cache.purge(what)
            except StoreUnavailable as error:
                errors.append(f"a store is out of reach: {error}")
        return PurgeReport(purged, len(self._caches), answered=int(not errors), error="; ".join(errors))


class WorkersPurger:
    """The caches of several worker processes; use it as an asynchronous context manager."""

    def __init__(self, admin_paths: Sequence[Path]) -> None:
        """`admin_paths` are the sockets of the workers' admin pages."""
        fresh = httpx.Limits(max_keepalive_connections=0)  # a worker may be another process by the next time
        self._clients = [
            httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(path), limits=fresh),
                base_url="http://worker",
                timeout=PATIENCE,
                trust_env=False,
            )
            for path in admin_paths
        ]
        self._open = AsyncExitStack()

    async def __aenter__(self) -> WorkersPurger:
        for client in self._clients:
            await self._open.enter_async_context(client)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._open.aclose()

    async def purge(self, what: Purge) -> PurgeReport:
        """See `Purger`."""
        answers = await asyncio.gather(*(_ask(client, what) for client in self._clients))
        reports = [answer for answer in answers if answer is not None]
        answered = sum(report.answered for report in reports)
        errors = list(dict.fromkeys(report.error for report in reports if report.error))
        if len(reports) < len(answers):
            errors.append(f"{len(answers) - len(reports)} of {len(answers)} workers did not answer")
        return PurgeReport(
            sum(report.purged for report in reports),
            max((report.caches for report in reports), default=0),
            len(answers),
            answered,
            "; ".join(errors),
        )


_REPORT = TypeAdapter(PurgeReport)


async def _ask(client: httpx.AsyncClient, what: Purge) -> PurgeReport | None:
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await client.post(PATH, json={what.kind: what.value})
    except (httpx.HTTPError, TimeoutError):
        return None
    if answer.status_code == 404:
        return PurgeReport(0, 0)
    try:
        return _REPORT.validate_json(answer.content)
    except ValidationError:
        return None


def purge_route(purger: Purger) -> Route:
    """The page that purges; for the admin application."""

    async def purge(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, f"the body must be application/json: {_REMEDY}")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BODY:
                return _refused(413, f"the body is longer than {LONGEST_BODY} bytes")
        try:
            what = _read(body)
        except ValueError as error:
            return _refused(400, str(error))
        report = await purger.purge(what)
        if not report.caches and not report.error:
            return _refused(404, "no cache is configured")
        members = {name: value for name, value in asdict(report).items() if value != ""}
        return JSONResponse(members, 503 if report.error else 200, _HEADERS)

    return Route(PATH, purge, methods=["POST"])


def caches_of(gateway: ApiGateway) -> Sequence[CacheMiddleware]:
    """Every cache of `gateway`, in its own list and in those of its routes."""
    lists: list[Iterable[object]] = [gateway.middleware]
    if isinstance(gateway.router, Router):
        lists += [route.middleware for route in gateway.router.routes]
    return [layer for layers in lists for layer in layers if isinstance(layer, CacheMiddleware)]


def _read(body: bytes) -> Purge:
    try:
        members = json.loads(body)
    except ValueError:
        raise ValueError(f"the body is not JSON: {_REMEDY}") from None
    if not isinstance(members, dict) or len(members) != 1:
        raise ValueError(f"exactly one thing is purged at a time: {_REMEDY}")
    ((_, value),) = members.items()
    for kind in _KINDS:
        if kind in members:
            if not isinstance(value, str):
                raise ValueError(f"{kind} must be a text")
            return Purge(kind, value)
    raise ValueError(f"there is nothing of that name to purge by: {_REMEDY}")


def _refused(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status, _HEADERS)
