"""Transform in the configuration: what is changed in requests and in answers.

    transform:
      request:
        headers: {set: {X-Tenant: "{identity.claims.tenant}"}, add: {...}, remove: [X-Debug], rename: {X-Old: X-New}}
        body: "merge(snake_case(@), {request_id: request_id(), timestamp: now()})"
      response:
        headers: {remove: [X-Internal-*, Server]}
        body: {id: user_id, joined: "format_date(created_at, '%b %-d, %Y')"}
        statuses: 200-299
        on_error: fail          # or pass
      max_body: 1MiB

Rule: a body is a JMESPath expression; a mapping of names to expressions is the object of these. Both, and every
template, are compiled while the configuration is checked, so a mistake has its line.

What it does not do: make the middleware, or look at the route it stands at (`transform_checks.py`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from api_gateway.config.fields import Count, Size, choice
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.config.request_validation_schema import Depth
from api_gateway.config.status_ranges import status_ranges, statuses
from api_gateway.config.transform_fields import (
    BodyExpression,
    RequestNamed,
    RequestRemoval,
    RequestWritten,
    ResponseName,
    ResponseRemoval,
    TemplateText,
    expression_text,
    refusal,
)
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.body.json_limits import JsonLimits
from api_gateway.middleware.transform.body_transform import MOST_BODY
from api_gateway.middleware.transform.expression import Expression
from api_gateway.middleware.transform.header_transform import HeaderTransform
from api_gateway.middleware.transform.response_body_transform import NEVER, SUCCESSES
from api_gateway.middleware.transform.template import Template


class _HeaderChanges(Model):
    """Changes to headers."""

    on_request: ClassVar[bool]

    set: dict[str, TemplateText] = Field(default_factory=dict)
    """Names and values: afterwards there is exactly this one, or none where a fact in the value is missing."""
    add: dict[str, TemplateText] = Field(default_factory=dict)
    """Names and values: one line more."""
    remove: tuple[str, ...] = ()
    """Names, or beginnings of names with `*` behind."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Old names and new ones."""

    @model_validator(mode="after")
    def _consistent(self) -> _HeaderChanges:
        if not (self.set or self.add or self.remove or self.rename):
            raise Refusal("there is no change", "add set, add, remove or rename")
        try:
            self.transform  # noqa: B018  # made to see whether it can be
        except ConfigurationError as error:
            raise refusal(error) from None
        return self

    @property
    def transform(self) -> HeaderTransform:
        """The changes, ready to be made."""
        return HeaderTransform(
            on_request=self.on_request,
            remove=self.remove,
            rename=self.rename,
            set={name: Template(value) for name, value in self.set.items()},
            add={name: Template(value) for name, value in self.add.items()},
        )


class RequestHeaderChanges(_HeaderChanges):
    """Changes to the headers of requests."""

    on_request = True
    set: dict[RequestWritten, TemplateText] = Field(default_factory=dict)
    add: dict[RequestWritten, TemplateText] = Field(default_factory=dict)
    remove: tuple[RequestRemoval, ...] = ()
    rename: dict[RequestNamed, RequestWritten] = Field(default_factory=dict)


class ResponseHeaderChanges(_HeaderChanges):
    """Changes to the headers of answers."""

    on_request = False
    set: dict[ResponseName, TemplateText] = Field(default_factory=dict)
    add: dict[ResponseName, TemplateText] = Field(default_factory=dict)
    remove: tuple[ResponseRemoval, ...] = ()
    rename: dict[ResponseName, ResponseName] = Field(default_factory=dict)


class RequestTransform(Model):
    """What is changed in requests."""

    headers: RequestHeaderChanges | None = None
    """Changes to headers."""
    body: BodyExpression | None = None
    """The body for the service, in JMESPath over the client's."""

    @property
    def expression(self) -> Expression | None:
        """The body's expression, compiled."""
        return None if self.body is None else Expression(expression_text(self.body))


class ResponseTransform(Model):
    """What is changed in answers."""

    headers: ResponseHeaderChanges | None = None
    """Changes to headers."""
    body: BodyExpression | None = None
    """The body for the client, in JMESPath over the service's."""
    statuses: Annotated[tuple[str, ...], BeforeValidator(status_ranges(200))] = ("200-299",)
    """The answers whose bodies are changed."""
    on_error: Annotated[Literal["fail", "pass"], BeforeValidator(choice("on_error", "fail", "pass"))] = "fail"
    """What happens to JSON that cannot be changed: 502, or passed on as it is."""

    @model_validator(mode="after")
    def _for_a_body(self) -> ResponseTransform:
        for key in ("statuses", "on_error"):
            if key in self.model_fields_set and self.body is None:
                raise Refusal(f"{key} means nothing where no body is changed", "add body, or remove it")
        if not self.meant - NEVER:
            raise Refusal("answers with these statuses have no body to change", "write statuses such as 200-299")
        return self

    @property
    def meant(self) -> frozenset[int]:
        """The statuses that are meant."""
        return statuses(self.statuses) if "statuses" in self.model_fields_set else SUCCESSES

    @property
    def expression(self) -> Expression | None:
        """The body's expression, compiled."""
        return None if self.body is None else Expression(expression_text(self.body))


class TransformOptions(Model):
    """What is changed on the way."""

    request: RequestTransform | None = None
    """In requests."""
    response: ResponseTransform | None = None
    """In answers."""
    max_body: Size = MOST_BODY
    """The largest body that is changed, as it comes, decompressed, and as it becomes."""
    max_depth: Depth = JsonLimits().depth
    """Arrays and objects inside each other."""
    max_items: Count = JsonLimits().items
    """Members and elements in the whole document."""

    @model_validator(mode="after")
    def _consistent(self) -> TransformOptions:
        sides = [side for side in (self.request, self.response) if side is not None]
        if not any(side.headers or side.body is not None for side in sides):
            raise Refusal("there is nothing to transform", "add headers or body under request or response")
        for key in ("max_body", "max_depth", "max_items"):
            if key in self.model_fields_set and all(side.body is None for side in sides):
                raise Refusal(f"{key} means nothing where no body is changed", "add a body, or remove it")
        return self

    @property
    def limits(self) -> JsonLimits:
        """How much structure a document may have."""
        return JsonLimits(self.max_depth, self.max_items)
