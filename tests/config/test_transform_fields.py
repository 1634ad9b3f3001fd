"""Transform fields: a mapping is the object of its expressions, and nothing more than each of them."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from api_gateway.config.problems import Refusal
from api_gateway.config.transform_fields import BodyExpression, RequestWritten, TemplateText, expression_text, refusal
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.unknown_name import UnknownName


def test_an_expression_stands_for_itself_and_a_mapping_for_an_object() -> None:
    assert expression_text("a.b") == "a.b"
    assert expression_text({"user_id": "userId", "a": {'"': "b"}}) == '{"user_id": (userId), "a": ({"\\"": (b)})}'


def test_no_member_can_break_out_of_its_place() -> None:
    with pytest.raises(Refusal, match="member 'a'"):
        expression_text({"a": "b), c: (d"})


def test_bodies_are_kept_as_they_were_written() -> None:
    adapter = TypeAdapter[object](BodyExpression)
    for written in ({"a": "b"}, "merge(@, {a: b})"):
        assert adapter.validate_python(written) == written
    with pytest.raises(ValidationError, match="did you mean 'merge'"):
        adapter.validate_python("mergee(@)")


def test_names_and_templates_are_kept_as_they_were_written() -> None:
    assert TypeAdapter[str](RequestWritten).validate_python("X-Tenant") == "X-Tenant"
    assert TypeAdapter[str](TemplateText).validate_python("{request_id}") == "{request_id}"
    with pytest.raises(ValidationError):
        TypeAdapter[str](RequestWritten).validate_python("Transfer-Encoding")


def test_a_mistake_keeps_cause_and_remedy_apart() -> None:
    plain = refusal(ConfigurationError("a; b; write c"))
    assert (plain.cause, plain.remedy) == ("a; b", "write c")
    unknown = refusal(UnknownName("name", "reqest_id", ["request_id"]))
    assert (unknown.cause, unknown.remedy) == ("unknown name 'reqest_id'", "did you mean 'request_id'?")
