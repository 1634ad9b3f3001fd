"""The header filter in the configuration: what is read, and what is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from api_gateway.config.header_filter_schema import HeaderFilterOptions
from api_gateway.config.problems import Refusal

NESTED: tuple[str, ...] = ("name", "regex")


def options(**keys: object) -> HeaderFilterOptions:
    return HeaderFilterOptions.model_validate(keys)


def test_a_header_is_a_name_or_a_name_and_its_value() -> None:
    read = options(deny=["X-Original-URL", {"x-tier": "gold"}, {"user-agent": {"regex": "(?i)bot.*"}}])
    names, demands = zip(*(rule.demand for rule in read.deny), strict=True)
    assert names == ("X-Original-URL", "x-tier", "user-agent")
    assert [demand("gold") for demand in demands] == [True, True, False]
    assert [demand("Bot 7") for demand in demands] == [True, False, True]
    assert [demand("a bot") for demand in demands] == [True, False, False]


def test_it_survives_being_sent_to_another_process() -> None:
    one = options(allow=["accept", "x-shop-*"], deny=["x-a", {"x-b": {"regex": "1"}}], require=[{"x-shop-c": "2"}])
    assert options(**json.loads(one.model_dump_json())) == one
    assert json.loads(one.model_dump_json())["deny"] == ["x-a", {"x-b": {"regex": "1"}}]


def test_what_is_required_must_be_passed_on() -> None:
    assert options(allow=["x-shop-*"], require=["X-Shop-Tenant", "content-type"])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "filters nothing"),
        ({"allow": []}, "an empty allow list says nothing"),
        ({"allow": ["*"]}, "'*' allows every header"),
        ({"allow": ["x-*-y"], "require": ["x-a"]}, "x-a is required, but not passed on"),
        ({"allow": ["accept"], "require": ["x-a"]}, "x-a is required, but not passed on"),
        ({"deny": ["Host"]}, "every request has host"),
        ({"deny": ["x-forwarded-for"]}, "every request has x-forwarded-for"),
        ({"deny": ["x-a"], "require": ["X-A"]}, "x-a is required and denied"),
        ({"deny": ["x-a"], "allow": ["X-A"]}, "x-a is allowed and denied"),
        ({"deny": ["x_a"]}, "never reaches a route"),
        ({"deny": ["x-user-id"]}, "never reaches a route"),
        ({"deny": ["a b"]}, "is not a header name"),
        ({"deny": [{"x-a": {"regex": "("}}]}, "is not a regular expression"),
        ({"deny": [{"x-a": {"like": "b"}}]}, "expected a value or a regex for 'x-a'"),
        ({"deny": [{"x-a": "1", "x-b": "2"}]}, "expected one header, not a mapping"),
        ({"deny": [{"x-a": 1}]}, "put it in quotes"),
        ({"deny": [7]}, "expected one header, not the number 7"),
        ({"block": ["x-a"]}, "unknown key 'block'"),
    ],
)
def test_a_mistake_is_refused_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        options(**keys)
    (line,) = error.value.errors()
    assert all(step in keys or isinstance(step, int) or step in NESTED for step in line["loc"]), "a place in the file"
    refusal = line.get("ctx", {})["error"]
    assert isinstance(refusal, Refusal)
    assert said in str(refusal)
    assert refusal.remedy


def test_a_value_of_what_every_request_has_can_be_denied() -> None:
    assert options(deny=[{"host": {"regex": "[0-9.]+"}}], allow=["accept"])


def test_the_schema_shows_a_header_as_it_is_written() -> None:
    rule = HeaderFilterOptions.model_json_schema()["$defs"]["HeaderRule"]
    assert [each["type"] for each in rule["anyOf"]] == ["string", "object"]
    assert "name" not in json.dumps(rule)
