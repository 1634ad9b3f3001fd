"""Expressions: read once, checked early, and with one kind of error where a document does not fit."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.transform.expression import LONGEST_EXPRESSION, Expression, ExpressionFailed
from api_gateway.middleware.transform.expression_functions import ExpressionFunctions
from api_gateway.middleware.unknown_name import UnknownName


def evaluate(text: str, document: object = None) -> object:
    context = RequestContext()
    context.request_id = "r-1"
    return Expression(text).evaluate(document, ExpressionFunctions(context, ManualClock(wall=1_705_314_600.0)))


def test_the_seeds_request() -> None:
    expected = {"user_id": 123, "request_id": "r-1", "timestamp": "2024-01-15T10:30:00.000Z"}
    assert evaluate("{user_id: userId, request_id: request_id(), timestamp: now()}", {"userId": 123}) == expected
    assert evaluate("merge(snake_case(@), {request_id: request_id(), timestamp: now()})", {"userId": 123}) == expected


def test_the_seeds_answer() -> None:
    document = {"user_id": 123, "created_at": "2024-01-15T10:30:00Z"}
    expected = {"id": 123, "joined": "Jan 15, 2024"}
    assert evaluate("{id: user_id, joined: format_date(created_at, '%b %-d, %Y')}", document) == expected


def test_what_is_not_there_is_null() -> None:
    assert evaluate("{a: a.b[0].c, d: format_date(d, '%Y')}", {"x": 1}) == {"a": None, "d": None}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "empty"),
        ("a..b", "at character 3"),
        ("a[", "at character 3"),
        ("'a", "at character 1: Unclosed"),
        ("`a`", "not JSON"),
        ("now(@)", r"now\(\) takes 0 arguments, not 1"),
        ("format_date(a)", "takes 2 arguments, not 1"),
        ("[0].{b: merge()}", r"merge\(\) takes at least 1 arguments, not 0"),
        ("format_date(a, '%Q')", "'%Q' is not a part of a date; there are: %Y"),
        ("(" * 3000 + "a" + ")" * 3000, "too deep"),
        ("a" * (LONGEST_EXPRESSION + 1), "shorten it"),
    ],
)
def test_what_can_never_be_evaluated_is_an_error_at_once(text: str, cause: str) -> None:
    with pytest.raises(ConfigurationError, match=cause):
        Expression(text)


@pytest.mark.parametrize(
    "text", ["snak_case(@)", "a[?nope(b)]", "{a: [b, {c: nope(@)}]}", "map(&nope(@), a)", "a[1:2].nope(@)"]
)
def test_an_unknown_function_is_found_wherever_it_stands(text: str) -> None:
    with pytest.raises(UnknownName) as caught:
        Expression(text)
    assert "snake_case" in caught.value.known


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("format_date(a, '%Y')", {"a": "yesterday"}),
        ("format_date(a, '%Y')", {"a": 5}),
        ("format_date('2024-01-01', a)", {"a": "%Q"}),
        ("length(a)", {"a": 5}),
        ("contains(a, `1`)", {"a": "text"}),
        ("ceil(a)", {"a": "1"}),
        ("sum(a)", {"a": [1, "secret"]}),
        ("without(@, a)", {"a": [1]}),
        ("without(@, ['a'])", []),
        ("merge(@, {a: a})", [1]),
        ("snake_case(@)", {"userId": 1, "user_id": 2}),
        ("sort_by(a, &b)", {"a": [{"b": 1}, {"b": "secret"}]}),
        ("max_by(a, &b)", {"a": [{"b": 1}, {"b": "secret"}]}),
        ("join(a, b)", {"a": "x" * 1000, "b": ["secret"] * 2000}),
    ],
)
def test_a_document_that_does_not_fit_is_one_kind_of_error_without_its_words(text: str, document: object) -> None:
    with pytest.raises(ExpressionFailed) as caught:
        evaluate(text, document)
    assert "secret" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "aB", "a_b"]), below, max_size=4)
    ),
    max_leaves=12,
)
TEXTS = [
    "merge(a, b)", "sort_by(a, &b)", "sum(a)", "avg(a)", "a[?b > `1`].c", "snake_case(@)", "format_date(a, b)",
    "join(a, b)", "max(a)", "to_number(a)", "keys(a)", "contains(a, b)", "reverse(a)", "map(&a, @)", "a.*.b[]",
    "ceil(a)", "starts_with(a, b)", "without(@, b)", "min_by(@, &a)", "to_string(@)", "not_null(a, b)", "a[::-1]",
]  # fmt: skip


@given(st.sampled_from([*map(Expression, TEXTS)]), JSON)
def test_any_document_gives_a_result_or_that_error(expression: Expression, document: object) -> None:
    with contextlib.suppress(ExpressionFailed):
        expression.evaluate(document, ExpressionFunctions(RequestContext(), ManualClock()))


@given(st.text(alphabet="ab@.[]{}()*&|!?`'\"<>=,: 01-", max_size=12))
def test_any_text_is_an_expression_or_a_mistake_of_the_configuration(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        Expression(text)
