"""Provider fields: where an identity provider is, in a configuration.

Rule: tokens, secrets and keys travel to and from it, so an address is https unless it leads to this machine. The
address is fixed here, once: nothing that a client sends changes who is asked.

What it does not do: find out whether anybody answers there.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, WithJsonSchema

from api_gateway.config.fields import text
from api_gateway.config.problems import Refusal, shown
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest, ConfigurationError
from api_gateway.transport.origin import Origin

_URL_REMEDY = "write https://host/path; http is for this machine only, such as http://127.0.0.1:9000/path"
_PATH_REMEDY = "write a path such as /introspect, with a query if need be"


def origin_of(url: str) -> str:
    """Scheme, host and port of a provider's address, as an endpoint."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def target_of(url: str) -> str:
    """Path and query of a provider's address."""
    return _path_of(urlsplit(url))


def _url(value: object) -> str:
    url = text(value)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise Refusal("the provider's address is not a URL", _URL_REMEDY) from None
    if not usable or "@" in parts.netloc or "#" in url:  # not shown: there may be a password in it
        raise Refusal("the provider's address is not https://host/path and nothing else", _URL_REMEDY)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise Refusal(f"what is sent to {parts.hostname} could be read and changed by everybody between", _URL_REMEDY)
    try:
        Origin.parse(origin_of(url))
    except ConfigurationError:
        raise Refusal("the provider's address does not name a host", _URL_REMEDY) from None
    _target(_path_of(parts))
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _path_of(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _target(value: object) -> str:
    target = text(value)
    path, _, query = target.partition("?")
    try:
        canonical = target.isascii() and target.isprintable() and path.startswith("/") and canonical_path(path) == path
    except BadRequest:
        canonical = False
    if not canonical or " " in query or "#" in target:
        raise Refusal(f"{shown(target)} is not a path in canonical form", _PATH_REMEDY)
    return target


ProviderUrl: TypeAlias = Annotated[str, BeforeValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})]
ProviderPath: TypeAlias = Annotated[str, BeforeValidator(_target), WithJsonSchema({"type": "string"})]
