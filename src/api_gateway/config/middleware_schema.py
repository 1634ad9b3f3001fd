"""Middleware entries: one line of a `middleware:` list.

    middleware:
      - request_id                  # a bare name
      - access_log: {format: human} # or one key, and what it needs

Rule: each field of `MiddlewareEntry` is one middleware, its type is what stands behind the name,
and exactly one is set. `build.py` has a factory for each, under the same name. Names that
plugins bring are taken as well; their options are checked by the plugin.

What it does not do: order anything. The list is the order.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.auth_schema import AuthConfig
from api_gateway.config.authorize_schema import AuthorizeOptions
from api_gateway.config.cache_schema import CacheOptions
from api_gateway.config.concurrency_schema import ConcurrencyConfig
from api_gateway.config.cors_schema import CorsOptions
from api_gateway.config.fallback_schema import FallbackConfig
from api_gateway.config.fields import Duration, Size, choice
from api_gateway.config.header_filter_schema import HeaderFilterOptions
from api_gateway.config.hedge_schema import HedgeConfig
from api_gateway.config.ip_filter_schema import IpFilterOptions
from api_gateway.config.load_shedding_schema import LoadSheddingOptions
from api_gateway.config.model import Model
from api_gateway.config.plugins import installed_plugins
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.config.rate_limit_schema import RateLimitOptions
from api_gateway.config.request_validation_schema import RequestValidationOptions
from api_gateway.config.retry_schema import RetryConfig
from api_gateway.config.security_headers_schema import SecurityHeadersOptions
from api_gateway.config.transform_schema import TransformOptions

OBSERVERS = ("request_id", "access_log")
"""They stand outside the error boundary and watch every request, so a route cannot have them."""

REPEATABLE = ("rate_limit", "transform")
"""More than one in a list makes sense: a coarse limit before authentication and a finer one after it, say."""

_STAND_ALONE = ("request_id", "access_log", "authorize", "cache", "load_shedding", "security_headers")
_EXAMPLES = {
    "auth": "{any_of: [{api_key: {keys_file: keys.yaml}}]}",
    "body_limit": "1MiB",
    "cors": "{origins: [https://app.example]}",
    "deadline": "3s",
    "header_filter": "{deny: [x-original-url]}",
    "ip_filter": "{deny: [10.6.6.0/24]}",
    "validate_request": "{content_types: [application/json]}",
    "rate_limit": "{rate: 100/s}",
    "transform": "{response: {headers: {remove: [Server]}}}",
    "concurrency": "{limit: 100}",
    "fallback": "{body: Back soon.}",
    "retry": "{attempts: 3}",
    "hedge": "{after: 50ms}",
}


class RequestIdOptions(Model):
    """Nothing to choose."""


class AccessLogOptions(Model):
    """How a finished request is written down."""

    format: Annotated[
        Literal["json", "combined", "human"], BeforeValidator(choice("format", "json", "combined", "human"))
    ] = "json"


class MiddlewareEntry(Model):
    """One middleware and its options."""

    model_config = ConfigDict(extra="allow")
    kind: ClassVar[str] = "middleware"

    request_id: RequestIdOptions | None = None
    access_log: AccessLogOptions | None = None
    body_limit: Size | None = None
    """No request body larger than this."""
    deadline: Duration | None = None
    """No request longer than this, all in all."""
    ip_filter: IpFilterOptions | None = None
    """Nobody from the wrong address."""
    header_filter: HeaderFilterOptions | None = None
    """No headers but those that belong here."""
    cors: CorsOptions | None = None
    """Which web pages may call."""
    security_headers: SecurityHeadersOptions | None = None
    """What browsers must not do with answers."""
    auth: AuthConfig | None = None
    """Nobody whose identity is not proved."""
    authorize: AuthorizeOptions | None = None
    """Nobody who may not do this."""
    validate_request: RequestValidationOptions | None = None
    """No request that is not what the route takes."""
    cache: CacheOptions | None = None
    """Answers kept and used again."""
    transform: TransformOptions | None = None
    """Other headers and bodies than came."""
    concurrency: ConcurrencyConfig | None = None
    """No more in flight behind this point than so many; per service it stands at the service."""
    fallback: FallbackConfig | None = None
    """An answer instead of a failure, for a route of its own kind."""
    retry: RetryConfig | None = None
    """Asking again what failed behind this point."""
    hedge: HedgeConfig | None = None
    """Asking twice what is late behind this point."""
    load_shedding: LoadSheddingOptions | None = None
    """Refuse early what would be late, before the gateway itself is overloaded."""
    rate_limit: RateLimitOptions | None = None
    """No caller more often than this."""

    @property
    def name(self) -> str:
        """Which middleware."""
        (name,) = self.model_fields_set
        return name

    @property
    def options(self) -> object:
        """What stands behind the name, validated unless a plugin has to."""
        options: object = getattr(self, self.name)
        return options

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: object, info: ValidationInfo) -> object:
        if isinstance(data, str):
            data = {data: None}
        if not isinstance(data, dict) or len(data) != 1:
            raise Refusal(
                f"expected one middleware, not {shown(data) if not isinstance(data, dict) else f'{len(data)} keys'}",
                "write a name, or one 'name: options', for each entry of the list",
            )
        ((name, options),) = data.items()
        own: frozenset[str] = (info.context or {}).get("plugins", frozenset())
        if name in cls.model_fields:
            return {name: _checked_presence(name, options)}
        if name not in own and name not in installed_plugins():
            raise _unknown(str(name), own)
        return data

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {self.name: handler(self)[self.name]}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        named = {"properties": schema["properties"], "type": "object", "minProperties": 1, "maxProperties": 1}
        return {"anyOf": [{"enum": list(_STAND_ALONE)}, {"type": "string"}, named], "title": "MiddlewareEntry"}


def _checked_presence(name: str, options: object) -> object:
    if options is not None:
        return options
    if name not in _STAND_ALONE:
        raise Refusal(f"{name} needs a value", f"write {name}: {_EXAMPLES[name]}")
    return {}


def _unknown(name: str, own: frozenset[str]) -> Refusal:
    known = {*MiddlewareEntry.model_fields, *own, *installed_plugins()}
    return Refusal(f"unknown middleware {name!r}", did_you_mean(name, known, "there are"))
