"""Transform fields: names, templates and expressions, as a configuration writes them.

Rule: each is checked by the part of the gateway that will use it, so a check and the running gateway cannot differ.

What it does not do: compare values with each other (`transform_schema.py`, `transform_checks.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from api_gateway.config.fields import text
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.transform.expression import Expression
from api_gateway.middleware.transform.header_transform import check_name, check_removal
from api_gateway.middleware.transform.template import Template
from api_gateway.middleware.unknown_name import UnknownName


def refusal(error: ConfigurationError) -> Refusal:
    """What a part of the gateway says no to, as a configuration's mistake."""
    if isinstance(error, UnknownName):
        return Refusal(f"unknown {error.kind} {error.name!r}", did_you_mean(error.name, error.known, "there are"))
    cause, _, remedy = str(error).rpartition("; ")
    return Refusal(cause, remedy)


def _template(value: object) -> str:
    template = text(value)
    try:
        Template(template)
    except ConfigurationError as error:
        raise refusal(error) from None
    return template


def _name(*, on_request: bool, written: bool) -> BeforeValidator:
    def check(value: object) -> str:
        name = text(value)
        try:
            check_name(name, on_request=on_request, written=written)
        except ConfigurationError as error:
            raise refusal(error) from None
        return name

    return BeforeValidator(check)


def _removal(*, on_request: bool) -> BeforeValidator:
    def check(value: object) -> str:
        name = text(value)
        try:
            check_removal(name, on_request=on_request)
        except ConfigurationError as error:
            raise refusal(error) from None
        return name

    return BeforeValidator(check)


def _body(value: object) -> object:
    try:
        Expression(expression_text(value))
    except ConfigurationError as error:
        raise (error if isinstance(error, Refusal) else refusal(error)) from None
    return value


def expression_text(value: object) -> str:
    """The JMESPath text of a body, which may be written as a mapping of names to such texts.

    Raises:
        ConfigurationError: a member is none; each is read for itself, so that a mistake has its name.
    """
    if not isinstance(value, Mapping):
        return text(value)
    if not value:
        raise Refusal("there is no member", "write {user_id: userId}, or a JMESPath expression")
    members = []
    for name, member in value.items():
        if name == "*":
            raise Refusal("'*' does not copy the other members", 'write "merge(@, {user_id: userId})" instead')
        if not isinstance(name, str):
            raise Refusal(f"{shown(name)} is not the name of a member", "put it in quotes")
        expression = expression_text(member)
        try:
            Expression(expression)
        except UnknownName as error:
            raise refusal(error) from None
        except ConfigurationError as error:
            inner = refusal(error)
            raise Refusal(f"member {name!r}: {inner.cause}", inner.remedy) from None
        members.append(f"{json.dumps(name)}: ({expression})")
    return "{" + ", ".join(members) + "}"


TemplateText: TypeAlias = Annotated[str, BeforeValidator(_template)]
BodyExpression: TypeAlias = Annotated[
    object,
    BeforeValidator(_body),
    WithJsonSchema({"type": ["string", "object"], "description": "JMESPath, or an object of names and JMESPath"}),
]
RequestWritten: TypeAlias = Annotated[str, _name(on_request=True, written=True)]
RequestNamed: TypeAlias = Annotated[str, _name(on_request=True, written=False)]
ResponseName: TypeAlias = Annotated[str, _name(on_request=False, written=True)]
RequestRemoval: TypeAlias = Annotated[str, _removal(on_request=True)]
ResponseRemoval: TypeAlias = Annotated[str, _removal(on_request=False)]
