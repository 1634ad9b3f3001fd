"""Letter case: names of members, at every level, and never a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.middleware.transform.letter_case import camel_case, snake_case


@pytest.mark.parametrize(
    ("camel", "snake"),
    [
        ("userId", "user_id"),
        ("id", "id"),
        ("createdAt2", "created_at2"),
        ("aB", "a_b"),
        ("_links", "_links"),
        ("$ref", "$ref"),
    ],
)
def test_there_and_back(camel: str, snake: str) -> None:
    assert snake_case({camel: 1}) == {snake: 1}
    assert camel_case({snake: 1}) == {camel: 1}


@pytest.mark.parametrize(
    ("name", "snake"),
    [("HTTPServer", "http_server"), ("userID", "user_id"), ("UserId", "user_id"), ("user-id", "user-id"), ("", "")],
)
def test_other_names_in_snake_case(name: str, snake: str) -> None:
    assert snake_case({name: 1}) == {snake: 1}


def test_every_level_but_no_value() -> None:
    document = {"userId": "userId", "lineItems": [{"unitPrice": 1}, "unitPrice", [{"aB": None}]]}
    changed = {"user_id": "userId", "line_items": [{"unit_price": 1}, "unitPrice", [{"a_b": None}]]}
    assert snake_case(document) == changed
    assert camel_case(changed) == document
    assert snake_case("userId") == "userId"
    assert snake_case(None) is None


def test_two_names_that_become_one_are_an_error() -> None:
    with pytest.raises(ValueError, match="two names become one"):
        snake_case({"a": [{"userId": 1, "user_id": 2}]})
    with pytest.raises(ValueError, match="two names become one"):
        camel_case({"userId": 1, "user_id": 2})


def test_long_names_are_changed_too() -> None:
    assert snake_case({"x" * 100 + "Y": 1}) == {"x" * 100 + "_y": 1}
    assert camel_case({"x" * 100 + "_y": 1}) == {"x" * 100 + "Y": 1}


@given(st.text())
def test_snake_case_again_changes_nothing(name: str) -> None:
    once = snake_case({name: 1})
    assert snake_case(once) == once
