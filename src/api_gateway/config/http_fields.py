"""HTTP fields: what a configuration says of paths, hosts, methods and headers.

Rule: each is checked by the part of the gateway that will use it, so a check and the running gateway cannot differ.

What it does not do: compare values with each other (`cross_checks.py`).
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

from api_gateway.config.fields import text
from api_gateway.config.problems import Refusal
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.canonical_request import HOP_BY_HOP, IDENTITY_HEADERS
from api_gateway.core.errors import BadRequest, ConfigurationError
from api_gateway.routing.predicates import Matching
from api_gateway.routing.route import PRESERVE, Pattern, Route
from api_gateway.transport.origin import Origin

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST_HEADER = re.compile(r"(?:[A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_URL_HOST = re.compile(r"[A-Za-z0-9\-._]+|[0-9A-Fa-f:.]+")
# The edge drops these before any route looks (core/canonical_request.py).
_NEVER_SEEN = {name.decode() for name in HOP_BY_HOP} | {"expect"} | {name.decode() for name in IDENTITY_HEADERS}


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


EndpointUrl: TypeAlias = Annotated[str, BeforeValidator(_endpoint_url)]
PathPattern: TypeAlias = Annotated[str, BeforeValidator(_path_pattern)]
HostPattern: TypeAlias = Annotated[str, BeforeValidator(_host_pattern)]
HostHeader: TypeAlias = Annotated[str, BeforeValidator(_host_header)]
Method: TypeAlias = Annotated[str, BeforeValidator(_method)]
HeaderName: TypeAlias = Annotated[str, BeforeValidator(header_name)]
RegularExpression: TypeAlias = Annotated[str, BeforeValidator(_regular_expression)]
