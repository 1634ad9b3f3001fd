"""Fallbacks in the configuration: what is answered instead of a failure.

    fallback: {body: {recommendations: []}}                          # 200, as JSON
    fallback: {status: 503, headers: {retry-after: "30"}, body: Back soon., on: [circuit_open]}
    fallback: {service: recommendations-static, on: [connect_error, 500-599]}

Rule: a stated response or a service, never both. A `body` that is a mapping or a list is JSON, a text is text.
Services that stand in for each other in a circle would ask each other for ever when all are down.

What it does not do: make the middleware (`build.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from api_gateway.config.failure_fields import failures, refuse_yaml_true
from api_gateway.config.fields import Text, text
from api_gateway.config.http_fields import header_name
from api_gateway.config.model import Model
from api_gateway.config.problems import Finding, Refusal, did_you_mean, shown
from api_gateway.core.headers import Headers
from api_gateway.middleware.fallback import FAILURE_NAMES

_BODILESS = (204, 304)
_FRAMING = "content-length"


def _status(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 200 <= number <= 599:
        raise Refusal(f"{shown(value)} is not the status of an answer", "write a status from 200 to 599")
    return number


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Refusal(f"expected a mapping, not {shown(value)}", "write {name: value}")
    fields = {header_name(name).lower(): text(content) for name, content in value.items()}
    if _FRAMING in fields:
        raise Refusal(f"{_FRAMING} follows from the body", "leave it out")
    try:
        Headers(fields)
    except ValueError as error:
        raise Refusal(str(error), "use printable characters only") from None
    return fields


def _body(value: object) -> object:
    if not isinstance(value, str | dict | list):
        raise Refusal(f"expected a body, not {shown(value)}", "write a text, or a mapping or list for JSON")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise Refusal("the body cannot be written as JSON", "use texts, numbers, flags, mappings and lists") from None
    return value


Status: TypeAlias = Annotated[int, BeforeValidator(_status), WithJsonSchema({"type": ["integer", "string"]})]
ResponseHeaders: TypeAlias = Annotated[dict[str, str], BeforeValidator(_headers)]
Body: TypeAlias = Annotated[
    object, BeforeValidator(_body), WithJsonSchema({"type": ["string", "object", "array"], "description": "A body"})
]
ReplacedFailures: TypeAlias = Annotated[
    tuple[str | int, ...],
    BeforeValidator(failures(FAILURE_NAMES, range(500, 600), "a fallback hides no error of the client's")),
    WithJsonSchema({"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1}),
]


class FallbackConfig(Model):
    """What stands in for one service."""

    on: ReplacedFailures | None = None
    """Instead of which failures; of any that is the gateway's own unless given."""
    service: Text | None = None
    """The service that answers instead."""
    status: Status | None = None
    """Of the stated response; 200 unless given."""
    headers: ResponseHeaders = Field(default_factory=dict)
    """Of the stated response."""
    body: Body | None = None
    """Of the stated response."""

    @model_validator(mode="before")
    @classmethod
    def _read_by_another_loader(cls, data: object) -> object:
        return refuse_yaml_true(data)

    @model_validator(mode="after")
    def _one_answer(self) -> FallbackConfig:
        stated = sorted({"status", "headers", "body"} & self.model_fields_set)
        if self.service is not None and stated:
            raise Refusal(f"the service answers, so {' and '.join(stated)} would be of no use", "remove one or other")
        if self.service is None and self.status is None and self.body is None:
            raise Refusal("there is nothing to answer with", "add a body, a status or a service")
        if self.status in _BODILESS and self.body is not None:
            raise Refusal(f"an answer of status {self.status} has no body", "remove the body, or use status 200")
        return self

    @property
    def response(self) -> tuple[int, Headers, bytes]:
        """Status, headers and body of the stated response."""
        fields = Headers(self.headers)
        if self.body is None:
            return self.status or 200, fields, b""
        kind, content = "application/json", self.body
        if isinstance(content, str):
            kind = "text/plain; charset=utf-8"
        else:
            content = json.dumps(content, ensure_ascii=False)
        if "content-type" not in fields:
            fields = fields.setting("content-type", kind)
        return self.status or 200, fields, content.encode()


def check_fallbacks(fallbacks: Mapping[str, FallbackConfig], known: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the services that the fallbacks of services name; `known` are all there are."""
    follows = {name: fallback.service for name, fallback in fallbacks.items() if fallback.service is not None}
    for name, service in follows.items():
        path = ("services", name, "fallback", "service")
        if service not in known:
            remedy = f"define it under 'services'; {did_you_mean(service, known, 'defined are')}"
            yield Finding(path, f"service {service!r} is not defined", remedy)
        passed = [name]
        while service in follows and service not in passed:
            passed.append(service)
            service = follows[service]
        if service == name:
            circle = " -> ".join([*passed, name])
            yield Finding(path, f"these services stand in for each other in a circle: {circle}", "break it somewhere")
