"""CORS in the configuration: which web pages may call, and read what is answered.

    cors: {origins: [https://app.example]}
    cors: {origins: ["https://*.shop.example"], credentials: true, expose_headers: [x-total], max_age: 1h}

What it does not do: decide where it stands. Before authentication: a preflight has no credentials.
"""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from api_gateway.config.fields import DurationOrZero, Flag, text
from api_gateway.config.http_fields import HeaderName, Method
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.cors import HEADERS, MAX_AGE, METHODS
from api_gateway.middleware.cors_origins import ANY, check_origin

_REMEDY = "write origins such as https://app.example, https://*.shop.example, or '*' alone"


def _origin(value: object) -> str:
    origin = text(value)
    try:
        check_origin(origin)
    except ConfigurationError as error:
        raise Refusal(str(error), _REMEDY) from None
    return origin


Origin: TypeAlias = Annotated[
    str, BeforeValidator(_origin), WithJsonSchema({"type": "string", "examples": ["https://app.example"]})
]


class CorsOptions(Model):
    """One policy for all pages that it covers."""

    origins: tuple[Origin, ...]
    """Whose pages may call: origins, `https://*.name` for all below a name, or `*` alone for all pages."""
    credentials: Flag = False
    """Whether with cookies and what else the browser keeps; never together with a `*`."""
    methods: tuple[Method, ...] = METHODS
    allow_headers: tuple[HeaderName, ...] = HEADERS
    """What pages may send beside what every page may."""
    expose_headers: tuple[HeaderName, ...] = ()
    """What pages may read beside what every page may."""
    max_age: DurationOrZero = float(MAX_AGE)
    """Seconds for which a browser need not ask again; browsers have limits of their own."""

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        if not self.origins:
            raise Refusal("there are no origins", _REMEDY)
        if ANY in self.origins and len(self.origins) > 1:
            raise Refusal("'*' is every origin: there is nothing to add to it", "remove it, or the others")
        if self.credentials and ANY in (*self.origins, *self.methods, *self.allow_headers, *self.expose_headers):
            raise Refusal("'*' and credentials: any page could act as its visitor", "name the origins, or drop one")
        return self
