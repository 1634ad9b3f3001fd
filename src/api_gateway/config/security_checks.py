"""Security checks: what is wrong only when authentication is seen beside what stands before and after it.

Rule: as in `cross_checks.py`: each looks at what is valid by itself.

What it does not do: look into key files, certificates or at providers. Building the gateway reads the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from api_gateway.config.auth_schema import AuthConfig
from api_gateway.config.authorize_schema import check_authorize
from api_gateway.config.introspection_schema import IntrospectionConfig
from api_gateway.config.jwt_schema import JwtConfig
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.mtls_schema import MtlsConfig, check_mtls
from api_gateway.config.problems import Finding, Path

EntryList: TypeAlias = Mapping[int, MiddlewareEntry]
"""The valid entries of one middleware list, by position."""

KnownService: TypeAlias = Callable[[Path, str], Iterator[Finding]]


def check_security(
    for_all: EntryList, routes: Mapping[int, EntryList], known_service: KnownService, *, verified: bool
) -> Iterator[Finding]:
    """Everything about who is calling that contradicts something else.

    Args:
        for_all: the list for every request.
        routes: the lists of routes.
        known_service: what is wrong with the name of a service at a path, if anything.
        verified: whether the listener verifies client certificates.
    """
    first: Path = ("middleware",)
    plugins = {entry.name for entry in for_all.values()} - MiddlewareEntry.model_fields.keys()
    names = {index: entry.name for index, entry in for_all.items()}
    yield from check_authorize(first, names, plugins=plugins)
    yield from _auths(_placed(first, for_all), known_service, verified)
    for index, entries in routes.items():
        path: Path = ("routes", index, "middleware")
        own = {at: entry.name for at, entry in entries.items()}
        brought = plugins | ({*own.values()} - MiddlewareEntry.model_fields.keys())
        yield from check_authorize(path, own, names.values(), plugins=brought)
        yield from _auths(_placed(path, entries), known_service, verified)


_Placed: TypeAlias = tuple[Path, MiddlewareEntry]


def _placed(path: Path, entries: EntryList) -> list[_Placed]:
    return [((*path, index), entry) for index, entry in entries.items()]


def _auths(entries: Sequence[_Placed], known_service: KnownService, verified: bool) -> Iterator[Finding]:
    for path, entry in entries:
        if entry.auth is None:
            continue
        for at, way in _ways((*path, "auth"), entry.auth):
            if isinstance(way, MtlsConfig) and len(entry.auth.methods) == 1:  # beside others it is merely never used
                yield from check_mtls([at], verified=verified)
            elif isinstance(way, JwtConfig | IntrospectionConfig) and way.service is not None:
                yield from known_service((*at, "service"), way.service)


def _ways(path: Path, config: AuthConfig) -> Iterator[tuple[Path, object]]:
    if config.any_of:
        for index, entry in enumerate(config.any_of):
            yield from (((*path, "any_of", index, name), way) for name, way in entry.chosen)
    else:
        yield from (((*path, name), way) for name, way in config.chosen)
