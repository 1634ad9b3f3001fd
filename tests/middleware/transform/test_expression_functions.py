"""Expression functions: each does its one thing, and is bounded."""

from __future__ import annotations

import pytest

from api_gateway.core.clock import ManualClock
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.transform.expression import Expression, ExpressionFailed
from api_gateway.middleware.transform.expression_functions import LONGEST_TEXT, ExpressionFunctions


def evaluate(text: str, document: object = None) -> object:
    context = RequestContext()
    context.request_id = "r-1"
    return Expression(text).evaluate(document, ExpressionFunctions(context, ManualClock(wall=1_705_314_600.0)))


def test_members_can_be_left_out() -> None:
    document = {"id": 1, "cost": 5, "internal_a": 1, "internal_b": 2}
    assert evaluate("without(@, ['cost', 'internal_*'])", document) == {"id": 1}
    assert evaluate("without(@, ['none'])", document) == document
    assert document["cost"] == 5


def test_a_request_without_a_name_has_null() -> None:
    functions = ExpressionFunctions(RequestContext(), ManualClock())
    assert Expression("request_id()").evaluate({}, functions) is None


def test_camel_case_goes_the_other_way() -> None:
    assert evaluate("camel_case(@)", {"user_id": [{"first_name": "a_b"}]}) == {"userId": [{"firstName": "a_b"}]}


def test_join_is_bounded() -> None:
    assert evaluate("join('-', @)", ["a", "b"]) == "a-b"
    with pytest.raises(ExpressionFailed):
        evaluate("join(a, b)", {"a": "x" * (LONGEST_TEXT // 10), "b": [""] * 11})


def test_dates_are_written_and_null_stays_null() -> None:
    assert evaluate("format_date(a, '%b %-d, %Y')", {"a": "2024-01-15T10:30:00Z"}) == "Jan 15, 2024"
    assert evaluate("format_date(a, '%Y')", {}) is None


def test_the_clock_and_the_request_can_be_named() -> None:
    assert evaluate("[now(), request_id()]", {}) == ["2024-01-15T10:30:00.000Z", "r-1"]


def test_the_librarys_own_functions_are_still_there() -> None:
    assert evaluate("merge(@, {b: `2`})", {"a": 1, "b": 1}) == {"a": 1, "b": 2}
