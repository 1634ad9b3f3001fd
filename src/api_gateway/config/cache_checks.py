"""Cache checks: where a cache would hand out what it must not.

Rule: a hit is answered where the cache stands, and nothing behind that point is asked. So whatever decides who may
have an answer stands before it.

What it does not do: look at answers. `caching/storability.py` decides which may be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.problems import Finding, Path
from api_gateway.config.route_schema import RouteConfig

GUARDS = ("ip_filter", "header_filter", "auth", "authorize")
"""What decides who may have an answer."""

EntryList: TypeAlias = Mapping[int, MiddlewareEntry]


def check_caches(for_all: EntryList, routes: Mapping[int, RouteConfig]) -> Iterator[Finding]:
    """Everything about caches that contradicts something else."""
    yield from _guards_behind(("middleware",), for_all)
    cached = any(entry.cache is not None for entry in for_all.values())
    for index, route in routes.items():
        path: Path = ("routes", index)
        own = dict(enumerate(route.middleware))
        yield from _guards_behind((*path, "middleware"), own)
        if cached:
            yield from _behind_all(path, route)


def _guards_behind(path: Path, entries: EntryList) -> Iterator[Finding]:
    cache = next((index for index, entry in entries.items() if entry.cache is not None), None)
    for index, entry in entries.items():
        if cache is not None and index > cache and entry.name in GUARDS:
            cause = f"{entry.name} stands behind the cache, so whoever asks for what is kept gets it unasked"
            yield Finding((*path, index), cause, "move it before the cache", other=(*path, cache))


def _behind_all(path: Path, route: RouteConfig) -> Iterator[Finding]:
    for index, entry in enumerate(route.middleware):
        if entry.name in GUARDS:
            cause = f"the cache for all requests answers before this {entry.name} is asked"
            yield Finding((*path, "middleware", index), cause, "move the cache to the routes, behind what guards them")
