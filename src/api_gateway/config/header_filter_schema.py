"""The header filter in the configuration: what a request may, must and must not carry.

    header_filter:
      deny: [x-original-url, {user-agent: {regex: "(?i)sqlmap.*"}}]
      require: [x-api-version]
      allow: [accept, authorization, "x-shop-*"]

Rule: a header in `deny` and `require` is a name, or one with its value, as in a route's `headers`: a text, or
`{regex: "..."}`, which must match all of it.

What it does not do: take a denial that no request escapes, or one for what the gateway itself writes.
"""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.fields import text
from api_gateway.config.http_fields import HeaderName, RegularExpression, header_name
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.middleware.header_filter import NEEDED, WRITTEN_HERE, HeaderDemand
from api_gateway.routing.predicates import Exactly, Matching, Present

_IN_EVERY_REQUEST = {name.decode() for name in WRITTEN_HERE} | {"host"}
_REMEDY = "write a name, or one name with its value, such as {user-agent: {regex: 'bot.*'}}"


class HeaderRule(Model):
    """One header that is meant: `name`, `{name: value}` or `{name: {regex: "..."}}`."""

    name: HeaderName
    value: str | None = None
    regex: RegularExpression | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_parts(cls, data: object) -> object:
        if isinstance(data, str):
            return {"name": data}
        if not isinstance(data, dict) or len(data) != 1:
            raise Refusal(f"expected one header, not {shown(data)}", _REMEDY)
        ((name, value),) = data.items()
        if not isinstance(value, dict):
            return {"name": name, "value": text(value)}
        if set(value) != {"regex"}:
            raise Refusal(f"expected a value or a regex for {shown(name)}", _REMEDY)
        return {"name": name, "regex": value["regex"]}

    @model_serializer
    def _as_written(self) -> str | dict[str, object]:
        if self.regex is not None:
            return {self.name: {"regex": self.regex}}
        return {self.name: self.value} if self.value is not None else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        regex = {"type": "object", "properties": {"regex": {"type": "string"}}, "required": ["regex"]}
        value = {"anyOf": [{"type": "string"}, {**regex, "additionalProperties": False}]}
        valued = {"type": "object", "additionalProperties": value, "minProperties": 1, "maxProperties": 1}
        return {"anyOf": [{"type": "string"}, valued], "title": "HeaderRule"}

    @property
    def for_any_value(self) -> bool:
        """Whether the header is meant whatever its value."""
        return self.value is None and self.regex is None

    @property
    def demand(self) -> HeaderDemand:
        """The rule as the middleware takes it."""
        if self.value is not None:
            return self.name, Exactly(self.value)
        return self.name, Matching.compile(self.regex) if self.regex is not None else Present()


def _name_or_beginning(value: object) -> str:
    name = text(value)
    if name == "*":
        raise Refusal("'*' allows every header", "leave allow out")
    if name.endswith("*"):
        header_name(name[:-1])
        return name
    return header_name(name)


NameOrBeginning: TypeAlias = Annotated[
    str, BeforeValidator(_name_or_beginning), WithJsonSchema({"type": "string", "examples": ["accept", "x-shop-*"]})
]


class HeaderFilterOptions(Model):
    """Which headers to refuse, to want, and to pass on."""

    allow: tuple[NameOrBeginning, ...] | None = None
    """Names, or beginnings of names with `*` behind; the others are dropped. Everything passes, unless given."""
    deny: tuple[HeaderRule, ...] = ()
    """Refused, 403."""
    require: tuple[HeaderRule, ...] = ()
    """Refused without, 400."""

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        if self.allow == ():
            raise Refusal("an empty allow list says nothing", "name those to pass on, or leave allow out")
        if self.allow is None and not self.deny and not self.require:
            raise Refusal("a header_filter without a list filters nothing", "write deny: [x-original-url], or another")
        for rule in self.deny:
            if rule.for_any_value:
                self._check_denial(rule.name.lower())
        for rule in self.require:
            if not self._passes(rule.name.lower()):
                raise Refusal(f"{rule.name} is required, but not passed on", "add it to allow")
        return self

    def _check_denial(self, name: str) -> None:
        if name in _IN_EVERY_REQUEST:
            raise Refusal(f"every request has {name}: to deny it refuses all of them", "deny some of its values only")
        if any(rule.name.lower() == name for rule in self.require):
            raise Refusal(f"{name} is required and denied", "remove it from one of the lists")
        if any(allowed.lower() == name for allowed in self.allow or ()):
            raise Refusal(f"{name} is allowed and denied", "remove it from one of the lists")

    def _passes(self, name: str) -> bool:
        if self.allow is None or name.encode() in NEEDED | WRITTEN_HERE:
            return True
        return any(
            name.startswith(each.lower()[:-1]) if each.endswith("*") else each.lower() == name for each in self.allow
        )
