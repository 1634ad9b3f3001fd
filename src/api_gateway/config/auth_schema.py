"""Authentication in the configuration: the ways to prove who is calling.

    - auth:
        any_of:                                  # asked in this order, the first identity wins
          - api_key: {header: X-API-Key, keys_file: keys.yaml}
          - jwt: {issuer: https://id.example, audience: orders, algorithms: [RS256], jwks_url: https://id.example/jwks}
          - mtls: {}
        optional: false
    - auth: {jwt: {...}}                         # a single one, without the list

Rule: each entry of `any_of` is one way, its key says which, and what stands behind it is that way's own schema.

What it does not do: make authenticators, or compare these with each other.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import (
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from api_gateway.auth.challenge import challenge
from api_gateway.config.api_key_schema import ApiKeyConfig
from api_gateway.config.fields import Flag, text
from api_gateway.config.introspection_schema import IntrospectionConfig
from api_gateway.config.jwt_schema import JwtConfig
from api_gateway.config.model import Model
from api_gateway.config.mtls_schema import MtlsConfig
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.core.identity import AuthenticationMethod

MethodConfig: TypeAlias = ApiKeyConfig | JwtConfig | IntrospectionConfig | MtlsConfig
"""What one way needs."""

_METHODS: tuple[AuthenticationMethod, ...] = ("api_key", "jwt", "introspection", "mtls")
_STAND_ALONE = "mtls"  # everything else needs a key, a file or an address
_REMEDY = f"write one of {', '.join(_METHODS)}, and what it needs"


def _realm(value: object) -> str:
    name = text(value)
    try:
        challenge("Bearer", realm=name)
    except ValueError:
        raise Refusal("the realm travels in a header, in printable ASCII", "use letters, digits and spaces") from None
    return name


def _ways(value: object) -> object:
    if not isinstance(value, list | tuple) or not value:
        raise Refusal("expected a list of ways to prove who is calling", "write any_of: [{api_key: ...}, {jwt: ...}]")
    return value


Realm: TypeAlias = Annotated[str, BeforeValidator(_realm), WithJsonSchema({"type": "string"})]


class AuthMethods(Model):
    """The ways there are, of which one is chosen."""

    api_key: ApiKeyConfig | None = None
    """A key that this gateway has issued."""
    jwt: JwtConfig | None = None
    """A signed token that the gateway can check by itself."""
    introspection: IntrospectionConfig | None = None
    """A token that its issuer is asked about."""
    mtls: MtlsConfig | None = None
    """The client's certificate."""

    @property
    def chosen(self) -> tuple[tuple[AuthenticationMethod, MethodConfig], ...]:
        """Those that are given, by name."""
        given = ((name, getattr(self, name)) for name in _METHODS)
        return tuple((name, options) for name, options in given if options is not None)

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class AuthMethod(AuthMethods):
    """One entry of `any_of`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, data: object) -> object:
        if isinstance(data, AuthMethod):
            return data
        if isinstance(data, str):
            data = {data: None}
        if not isinstance(data, dict) or len(data) != 1:
            found = f"{len(data)} keys" if isinstance(data, dict) else shown(data)
            raise Refusal(f"expected one way to prove who is calling, not {found}", _REMEDY)
        ((name, options),) = data.items()
        if name not in _METHODS:
            raise Refusal(f"unknown way {str(name)!r}", did_you_mean(str(name), _METHODS, "there are"))
        return {name: _checked_presence(name, options)}


class AuthConfig(AuthMethods):
    """The `auth` middleware: any one way is enough."""

    any_of: Annotated[tuple[AuthMethod, ...], BeforeValidator(_ways)] = ()
    """Asked in this order."""
    optional: Flag = False
    """Whether requests without any credentials pass, as anonymous ones; wrong credentials never do."""
    forward_credentials: Flag = False
    """Whether services get the keys and tokens too. They could use, log or lose them."""
    realm: Realm | None = None
    """What is protected, as `WWW-Authenticate` names it for every way; each has a name of its own unless given."""

    @property
    def methods(self) -> tuple[tuple[AuthenticationMethod, MethodConfig], ...]:
        """The ways by name, in the order in which they are asked, however they were written."""
        return tuple(one for entry in self.any_of for one in entry.chosen) or self.chosen

    @model_validator(mode="after")
    def _one_realm(self) -> AuthConfig:
        if self.realm is not None and any(isinstance(way, JwtConfig) and way.realm for _, way in self.methods):
            raise Refusal("jwt has a realm of its own beside the one for all", "keep one of them")
        return self

    @model_validator(mode="before")
    @classmethod
    def _presence(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        alone = [name for name in _METHODS if name in data]
        if "any_of" in data and alone:
            raise Refusal(f"{alone[0]} stands beside any_of", "move it into the list")
        if len(alone) > 1:
            raise Refusal(f"{' and '.join(alone)} stand side by side", "write any_of: [...], in the order to ask them")
        if "any_of" not in data and not alone and set(data) <= set(cls.model_fields):
            raise Refusal("there is no way to prove who is calling", "add any_of: [{api_key: ...}, {jwt: ...}]")
        return {**data, **{name: _checked_presence(name, data[name]) for name in alone}}


def _checked_presence(name: str, options: object) -> object:
    if options is not None:
        return options
    if name != _STAND_ALONE:
        raise Refusal(f"{name} needs a value", f"write {name}: " + "{...}")
    return {}
