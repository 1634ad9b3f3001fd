"""Fields: the kinds of value that a configuration holds.

Rule: one annotated type a kind, each strict and each with its own remedy. Text from the
environment must do where a number or a flag is wanted (`port: ${PORT}`), so those read text too.

What it does not do: compare values with each other (`cross_checks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import ip_network
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from api_gateway.config.not_yet import NOT_YET, not_yet
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.config.units import DURATION_REMEDY, SIZE_REMEDY, parse_duration, parse_rate, parse_size
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.canonical_request import HOP_BY_HOP
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.errors import BadRequest, ConfigurationError
from api_gateway.routing.predicates import Matching
from api_gateway.routing.route import PRESERVE, Pattern, Route
from api_gateway.transport.origin import Origin

_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST_HEADER = re.compile(r"(?:[A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_URL_HOST = re.compile(r"[A-Za-z0-9\-._]+|[0-9A-Fa-f:.]+")
# The edge drops these before any route looks (core/canonical_request.py).
_NEVER_SEEN = {name.decode() for name in HOP_BY_HOP} | {"expect"}


def text(value: object) -> str:
    """Text that is not empty."""
    if not isinstance(value, str):
        remedy = "put it in quotes" if isinstance(value, int | float) else "write a text"
        raise Refusal(f"expected text, not {shown(value)}", remedy)
    if not value.strip():
        raise Refusal("expected text, found none", "fill it in, or leave the key out")
    return value


def choice(kind: str, *names: str) -> Callable[[object], str]:
    """A validator for one of `names`; `kind` is the key it stands behind."""

    def check(value: object) -> str:
        name = text(value)
        if name in names:
            return name
        refused = not_yet(kind, name)
        if refused:
            raise refused
        known = (*names, *NOT_YET.get(kind, ()))
        raise Refusal(f"unknown {kind} {name!r}", did_you_mean(name, known, "there are"))

    return check


def _whole_number(value: object, low: int, high: int, kind: str) -> int:
    remedy = f"write a whole number from {low} to {high}"
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal(f"expected a {kind}, not {shown(value)}", remedy)
    if not low <= value <= high:
        raise Refusal(f"{kind} {value} is out of range", remedy)
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Refusal(f"expected true or false, not {shown(value)}", "write true or false")


def _positive_duration(value: object) -> float:
    seconds = parse_duration(value)
    if round(seconds * NANOSECONDS) == 0:
        raise Refusal("the duration is zero", DURATION_REMEDY)
    return seconds


def _positive_size(value: object) -> int:
    size = parse_size(value)
    if size <= 0:
        raise Refusal("the size is zero", SIZE_REMEDY)
    return size


def _rate(value: object) -> str:
    parse_rate(value)
    return str(value)


def _network(value: object) -> str:
    remedy = "write a network such as 10.0.0.0/8, fd00::/8, or a single address"
    name = text(value)
    try:
        return str(ip_network(name))
    except ValueError:
        pass
    try:
        meant = ip_network(name, strict=False)
    except ValueError:
        raise Refusal(f"{name!r} is not an IP network", remedy) from None
    raise Refusal(f"{name!r} has bits set behind its prefix, perhaps {meant} was meant", remedy)


def _endpoint_url(value: object) -> str:
    remedy = "write http://host:port or https://host:port, with a base path if need be"
    url = text(value)
    try:
        origin = Origin.parse(url)
        base_is_canonical = origin.base_path in ("", canonical_path(origin.base_path or "/"))
    except ConfigurationError as error:
        raise Refusal(_sentence(error), remedy) from None
    except BadRequest as error:
        raise Refusal(f"endpoint {url!r}: {_sentence(error)}", remedy) from None
    if "@" in origin.authority or not _URL_HOST.fullmatch(origin.host) or origin.authority.endswith(":0"):
        raise Refusal(f"{url!r} does not name a host and a port from 1 to 65535, and nothing else", remedy)
    if not base_is_canonical:
        raise Refusal(f"the path of {url!r} is not in canonical form", remedy)
    return url


def _path_pattern(value: object) -> str:
    path = text(value)
    try:
        Pattern.parse(path)
    except ConfigurationError as error:
        raise Refusal(_sentence(error), "write a path such as /users, /users/{id} or /users/*") from None
    return path


def _host_pattern(value: object) -> str:
    host = text(value)
    try:
        return Route("/", "-", hosts=[host]).hosts[0]
    except ConfigurationError:
        remedy = "write a name such as api.example.com or *.example.com, without a port"
        raise Refusal(f"{host!r} is not a host name", remedy) from None


def _host_header(value: object) -> str:
    host = text(value)
    if host != PRESERVE and not _HOST_HEADER.fullmatch(host):
        raise Refusal(f"{host!r} is not a value for Host", f"write {PRESERVE}, or a name with an optional port")
    return host


def _method(value: object) -> str:
    method = text(value).upper()
    if not _TOKEN.fullmatch(method) or method in ("TRACE", "CONNECT"):
        raise Refusal(f"{method!r} is not a method that a gateway forwards", "write methods such as GET or POST")
    return method


def header_name(value: object) -> str:
    """The name of a header that reaches routes and policies."""
    name = text(value)
    if not _TOKEN.fullmatch(name):
        raise Refusal(f"{name!r} is not a header name", "use letters, digits and hyphens")
    if "_" in name or name.lower() in _NEVER_SEEN:
        raise Refusal(f"the header {name!r} never reaches a route: the edge removes it", "choose another header")
    return name


def _regular_expression(value: object) -> str:
    expression = text(value)
    try:
        Matching.compile(expression)
    except ConfigurationError as error:
        raise Refusal(str(error), "correct it; it must match the whole value") from None
    return expression


def _sentence(error: Exception) -> str:
    detail = error.detail if isinstance(error, BadRequest) else str(error)
    return detail.removesuffix(".")


def _schema(description: str, *types: str, examples: Collection[object] = ()) -> WithJsonSchema:
    return WithJsonSchema({"type": list(types), "description": description, "examples": list(examples)})


Text: TypeAlias = Annotated[str, BeforeValidator(text)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag), _schema("true or false", "boolean", "string")]
Port: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: _whole_number(value, 0, 65535, "port")),
    _schema("A port, from 0 to 65535", "integer", "string"),
]
"""0 lets the system choose."""
Weight: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: _whole_number(value, 1, 1000, "weight")),
    _schema("A weight, from 1 to 1000", "integer", "string"),
]
Count: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: _whole_number(value, 1, 1_000_000, "count")),
    _schema("A count, at least 1", "integer", "string"),
]
Duration: TypeAlias = Annotated[
    float, BeforeValidator(_positive_duration), _schema("A duration", "string", "number", examples=["250ms", "3s"])
]
"""Seconds, more than 0."""
DurationOrZero: TypeAlias = Annotated[
    float, BeforeValidator(parse_duration), _schema("A duration, or 0", "string", "number", examples=["30s", 0])
]
"""Seconds."""
Size: TypeAlias = Annotated[
    int, BeforeValidator(_positive_size), _schema("A size", "string", "integer", examples=["10KiB", "1MiB"])
]
"""Bytes, more than 0."""
RateText: TypeAlias = Annotated[str, BeforeValidator(_rate)]
"""A rate as it was written; `units.parse_rate` reads it."""
Network: TypeAlias = Annotated[str, BeforeValidator(_network)]
"""`address/prefix`."""
EndpointUrl: TypeAlias = Annotated[str, BeforeValidator(_endpoint_url)]
PathPattern: TypeAlias = Annotated[str, BeforeValidator(_path_pattern)]
HostPattern: TypeAlias = Annotated[str, BeforeValidator(_host_pattern)]
HostHeader: TypeAlias = Annotated[str, BeforeValidator(_host_header)]
Method: TypeAlias = Annotated[str, BeforeValidator(_method)]
HeaderName: TypeAlias = Annotated[str, BeforeValidator(header_name)]
RegularExpression: TypeAlias = Annotated[str, BeforeValidator(_regular_expression)]
