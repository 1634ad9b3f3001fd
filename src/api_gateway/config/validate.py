"""Validate: a document in, a `GatewayConfig` or every finding out.

Rule: all mistakes at once. What pydantic says is put into plain words; keys that are refused are
then set aside, and whatever part is valid by itself is compared with the others. Nothing is
said about what stands below a refused key.

What it does not do: know lines and columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api_gateway.config.cross_checks import Parts, cross_check
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.model import Model
from api_gateway.config.problems import Finding, Path, Refusal, shown
from api_gateway.config.route_schema import RouteConfig
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.service_schema import ServiceConfig

_EXPECTED = {
    "dict_type": ("a mapping", "write keys with values"),
    "model_type": ("a mapping", "write keys with values"),
    "string_type": ("text", "put it in quotes"),
    "tuple_type": ("a list", "write [..., ...], or one '- ' line each"),
}

_Part = TypeVar("_Part", bound=Model)


def validate(
    document: object, *, provided: Collection[str] = (), plugins: Collection[str] = ()
) -> tuple[GatewayConfig | None, list[Finding]]:
    """The configuration, or None and what is wrong with it.

    `provided` are the services that exist in-process, `plugins` middleware beyond what is built in
    or installed.
    """
    document = _plain(document)
    context = {"plugins": frozenset(plugins)}
    try:
        config = GatewayConfig.model_validate(document, context=context)
    except ValidationError as error:
        findings = _findings(error)
        parts = _parts(_without_refused_keys(document, findings), provided, context)
        return None, [*findings, *cross_check(parts)]
    findings = check(config, provided=provided)
    return (None if findings else config), findings


def check(config: GatewayConfig, *, provided: Collection[str] = ()) -> list[Finding]:
    """What is wrong with a configuration whose parts are valid."""
    routes = dict(enumerate(config.routes))
    names = {index: route.service for index, route in routes.items() if route.service is not None}
    tls = config.listen.tls
    verified = tls is not None and tls.client_ca_file is not None
    middleware = dict(enumerate(config.middleware))
    parts = Parts(routes, config.services, middleware, names, config.services, provided, verified)
    return [*cross_check(parts), *_as_a_whole(config)]


def _as_a_whole(config: GatewayConfig) -> Iterator[Finding]:
    if not config.routes:
        yield Finding(("routes",), "there is no route", "add one, such as {path: /users/*, service: users}")
    listen, admin = config.listen, config.admin
    if admin.port and (admin.host, admin.port) == (listen.host, listen.port):
        yield Finding(("admin",), "clients and admin pages cannot share a port", "choose another", other=("listen",))


def _findings(error: ValidationError) -> list[Finding]:
    return [_finding(details) for details in error.errors(include_url=False)]


def _finding(details: ErrorDetails) -> Finding:
    kind, path, value = details["type"], details["loc"], details["input"]
    if kind == "missing":
        return Finding(path[:-1], f"the key {path[-1]!r} is missing", f"add '{path[-1]}: ...'")
    at_key = bool(path) and path[-1] == "[key]"
    path = path[:-1] if at_key else path
    refusal = details.get("ctx", {}).get("error")
    if isinstance(refusal, Refusal):
        path = (*path, refusal.field) if refusal.field else path
        return Finding(path, refusal.cause, refusal.remedy, at_key or refusal.at_key)
    if kind in _EXPECTED:
        expected, remedy = _EXPECTED[kind]
        return Finding(path, f"expected {expected}, not {shown(value)}", remedy, at_key)
    return Finding(path, f"{details['msg'].lower()}: {shown(value)}", "correct it", at_key)


def _plain(value: object) -> object:
    """A copy in dictionaries and lists, whatever mappings and sequences it was made of."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _without_refused_keys(document: object, findings: list[Finding]) -> object:
    for finding in findings:
        if finding.at_key:
            parent = _at(document, finding.path[:-1])
            if isinstance(parent, dict):
                parent.pop(finding.path[-1], None)
    return document


def _at(document: object, path: Path) -> object:
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int):
            document = document[step]
        else:
            return None
    return document


def _parts(document: object, provided: Collection[str], context: Mapping[str, object]) -> Parts:
    routes, services, middleware = (_at(document, (key,)) for key in ("routes", "services", "middleware"))
    listed = dict(enumerate(routes)) if isinstance(routes, list) else {}
    named = services if isinstance(services, dict) else {}
    entries = dict(enumerate(middleware)) if isinstance(middleware, list) else {}
    targets = {index: _at(route, ("service",)) for index, route in listed.items()}
    return Parts(
        {index: part for index, item in listed.items() if (part := _part(RouteConfig, item, context))},
        {name: valid for name, item in named.items() if (valid := _part(ServiceConfig, item, context))},
        {index: entry for index, item in entries.items() if (entry := _part(MiddlewareEntry, item, context))},
        {index: target for index, target in targets.items() if isinstance(target, str)},
        named,
        provided,
        _at(document, ("listen", "tls", "client_ca_file")) is not None,
    )


def _part(model: type[_Part], value: object, context: Mapping[str, object]) -> _Part | None:
    try:
        return model.model_validate(value, context=dict(context))
    except ValidationError:
        return None
