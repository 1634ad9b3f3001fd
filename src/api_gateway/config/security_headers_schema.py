"""Security headers in the configuration: what answers tell browsers not to do with them.

    security_headers                                   # what suits an API
    security_headers: {hsts: {max_age: 730d, include_subdomains: true}, referrer_policy: false}

Rule: a text is the header's value, `false` leaves the header out.

What it does not do: know the pages of a service. What the service sets itself stays, unless `override` is on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.fields import Flag, choice, text
from api_gateway.config.http_fields import HeaderName
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.config.units import parse_duration
from api_gateway.core.headers import Headers
from api_gateway.middleware.security_headers import DEFAULTS, REMOVED

_DAY = 24 * 3600
_YEAR = 365 * _DAY
_DAYS = re.compile(r"([0-9]{1,9})d", re.ASCII)
_ESSENTIAL = frozenset({"content-encoding", "content-length", "content-type", "date", "location", "set-cookie"})
_REFERRER_POLICIES = (
    "no-referrer",
    "no-referrer-when-downgrade",
    "origin",
    "origin-when-cross-origin",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
)


def _or_left_out(check: Callable[[object], str]) -> Callable[[object], str | bool]:
    def checked(value: object) -> str | bool:
        return False if value is False or value == "false" else check(value)

    return checked


def _max_age(value: object) -> int:
    # Longer than any wait of the gateway's, which durations are made for: in days, or in seconds as in the header.
    days = _DAYS.fullmatch(value) if isinstance(value, str) else None
    if days:
        seconds = int(days[1]) * _DAY
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    else:
        seconds = int(parse_duration(value))
    if not 0 <= seconds <= 10 * _YEAR:
        raise Refusal(f"{shown(value)} is out of range for max_age", "write from 0 to 3650d, such as 365d")
    return seconds


def _header_value(value: object) -> str:
    written = text(value)
    try:
        Headers({"x": written})
        written.encode("ascii")
    except ValueError:
        remedy = "write one line of ASCII, without control characters"
        raise Refusal(f"{written!r} is not a header's value", remedy) from None
    return written


def _removable(names: tuple[str, ...]) -> None:
    for name in names:
        if name.lower() in _ESSENTIAL:
            raise Refusal(f"an answer without {name} would be another one", "remove it from the list")


def _one_of(kind: str, *names: str) -> object:
    return BeforeValidator(_or_left_out(choice(kind, *names)))


_SCHEMA = WithJsonSchema({"anyOf": [{"type": "string"}, {"const": False}]})
MaxAge: TypeAlias = Annotated[
    int, BeforeValidator(_max_age), WithJsonSchema({"type": ["string", "integer"], "examples": ["365d", 31536000]})
]
Value: TypeAlias = Annotated[str | Literal[False], BeforeValidator(_or_left_out(_header_value)), _SCHEMA]
FrameOptions: TypeAlias = Annotated[str | Literal[False], _one_of("frame_options", "DENY", "SAMEORIGIN"), _SCHEMA]
ReferrerPolicy: TypeAlias = Annotated[str | Literal[False], _one_of("referrer_policy", *_REFERRER_POLICIES), _SCHEMA]
OpenerPolicy: TypeAlias = Annotated[
    str | Literal[False],
    _one_of("cross_origin_opener_policy", "same-origin", "same-origin-allow-popups", "noopener-allow-popups"),
    _SCHEMA,
]
EmbedderPolicy: TypeAlias = Annotated[
    str | Literal[False], _one_of("cross_origin_embedder_policy", "require-corp", "credentialless"), _SCHEMA
]
ResourcePolicy: TypeAlias = Annotated[
    str | Literal[False], _one_of("cross_origin_resource_policy", "same-origin", "same-site", "cross-origin"), _SCHEMA
]


class HstsOptions(Model):
    """For how long browsers shall know that there is https only."""

    max_age: MaxAge = _YEAR
    """Seconds from each answer on; 0 makes browsers forget it."""
    include_subdomains: Flag = False
    """For all names below this one too, whoever runs them."""
    preload: Flag = False
    """Agrees to be built into browsers, which takes months to undo."""

    sent: Flag = True
    """Whether it is sent at all; `hsts: false` is short for that."""

    @model_validator(mode="before")
    @classmethod
    def _false_is_not_sent(cls, data: object) -> object:
        return {"sent": False} if data is False or data == "false" else data

    @model_validator(mode="after")
    def _may_be_preloaded(self) -> Self:
        if self.preload and not (self.include_subdomains and self.max_age >= _YEAR):
            raise Refusal(
                "preload is refused by browsers' lists without include_subdomains and a year of max_age",
                "write include_subdomains: true and max_age: 365d, or leave preload out",
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"const": False}, handler.resolve_ref_schema(handler(core_schema))]}

    @property
    def value(self) -> str:
        """The header's value."""
        subdomains = "; includeSubDomains" if self.include_subdomains else ""
        return f"max-age={self.max_age}{subdomains}{'; preload' if self.preload else ''}"


class SecurityHeadersOptions(Model):
    """Each header, as it is for an API unless told otherwise."""

    hsts: HstsOptions = HstsOptions()
    """Strict-Transport-Security, on answers over https only."""
    content_type_options: Flag = True
    """Whether X-Content-Type-Options: nosniff is sent."""
    frame_options: FrameOptions = DEFAULTS["x-frame-options"]
    """Also makes the content policy, unless that is given."""
    content_security_policy: Value | None = None
    """Who may frame the answer, as `frame_options` says, unless given."""
    referrer_policy: ReferrerPolicy = DEFAULTS["referrer-policy"]
    permissions_policy: Value = False
    cross_origin_opener_policy: OpenerPolicy = False
    cross_origin_embedder_policy: EmbedderPolicy = False
    cross_origin_resource_policy: ResourcePolicy = False
    remove: tuple[HeaderName, ...] = REMOVED
    """Headers of the service that nobody needs to see."""
    override: Flag = False
    """Whether these replace what the service has set."""

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        _removable(self.remove)
        both = self.headers.keys() & {name.lower() for name in self.remove}
        if both:
            raise Refusal(f"{min(both)} is both set and removed", "set it to false, or take it out of remove")
        return self

    @property
    def headers(self) -> dict[str, str]:
        """Name and value of each header that is sent."""
        ancestors = {"DENY": "frame-ancestors 'none'", "SAMEORIGIN": "frame-ancestors 'self'"}
        policy = self.content_security_policy
        values: dict[str, str | Literal[False]] = {
            "strict-transport-security": self.hsts.value if self.hsts.sent else False,
            "x-content-type-options": "nosniff" if self.content_type_options else False,
            "x-frame-options": self.frame_options,
            "content-security-policy": ancestors.get(self.frame_options or "", False) if policy is None else policy,
            "referrer-policy": self.referrer_policy,
            "permissions-policy": self.permissions_policy,
            "cross-origin-opener-policy": self.cross_origin_opener_policy,
            "cross-origin-embedder-policy": self.cross_origin_embedder_policy,
            "cross-origin-resource-policy": self.cross_origin_resource_policy,
        }
        return {name: value for name, value in values.items() if value}
