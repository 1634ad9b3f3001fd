"""Aggregate templates: a value fills its place and nothing else."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.backend.aggregate_template import Template, UnfitValue
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("template", "values", "target"),
    [
        ("/orders", {}, ("/orders", "")),
        ("/orders/{id}", {"id": "42"}, ("/orders/42", "")),
        ("/orders/{id}", {"id": 42}, ("/orders/42", "")),
        ("/orders/{id}", {"id": 4.5}, ("/orders/4.5", "")),
        ("/flags/{on}", {"on": True}, ("/flags/true", "")),
        ("/orders/{id}", {"id": "a/b"}, ("/orders/a%2Fb", "")),
        ("/orders/{id}", {"id": "a?b#c%2e"}, ("/orders/a%3Fb%23c%252e", "")),
        ("/orders/{id}", {"id": "...x"}, ("/orders/...x", "")),
        ("/users/u-{order.user_id}/x", {"order": {"user_id": 7}}, ("/users/u-7/x", "")),
        ("/{order.items.1.id}", {"order": {"items": [{"id": 1}, {"id": 2}]}}, ("/2", "")),
        ("/p/{item}", {"item": "Ä"}, ("/p/%C3%84", "")),
        ("/o?user={u}&x=1", {"u": "a&x=2"}, ("/o", "user=a%26x%3D2&x=1")),
        ("/o?q={query.q}", {"query": {"q": ""}}, ("/o", "q=")),
        ("/o?q={query.q=all}", {"query": {}}, ("/o", "q=all")),
        ("/o?q={query.q=}", {"query": {}}, ("/o", "q=")),
        ("/o?q={query.q=a b&c}", {"query": {}}, ("/o", "q=a%20b%26c")),
    ],
)
def test_values_are_filled_in_encoded(template: str, values: dict[str, object], target: tuple[str, str]) -> None:
    assert Template.parse(template).fill(values) == target


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("/orders/{id}", {}, "id is missing"),
        ("/users/{order.user.id}", {"order": {"user": 3}}, "order.user.id is missing"),
        ("/users/{order.user_id}", {"order": None}, "order.user_id is missing"),
        ("/users/{order.user_id}", {"order": {"user_id": None}}, "order.user_id is null"),
        ("/users/{order.user}", {"order": {"user": {"id": 1}}}, "order.user is neither text nor a number"),
        ("/users/{order.user}", {"order": {"user": [1]}}, "order.user is neither text nor a number"),
        ("/users/{id}", {"id": ""}, "id is empty"),
        ("/users/{id}", {"id": "."}, "id would change the path"),
        ("/users/{id}", {"id": ".."}, "id would change the path"),
        ("/users/{id}/x", {"id": "../admin"}, "id would change the path"),
        ("/users/{id}", {"id": "..\\admin"}, "id would change the path"),
        ("/users/{id}", {"id": "a\r\nx: y"}, "id would change the path"),
        ("/users/{id}", {"id": "\ud800"}, "id is not valid Unicode"),
        ("/{a}{b}", {"a": ".", "b": "."}, "a would change the path"),
        ("/{o.1}", {"o": [1]}, "o.1 is missing"),
    ],
)
def test_what_does_not_fit_is_refused_without_being_shown(
    template: str, values: dict[str, object], message: str
) -> None:
    with pytest.raises(UnfitValue) as caught:
        Template.parse(template).fill(values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("orders", "must be a path that begins with '/'"),
        ("/a/../b", "not in canonical form"),
        ("/a//b", "not in canonical form"),
        ("/a b", "must be percent-encoded"),
        ("/a#b", "must be percent-encoded"),
        ("/a/{", "belongs to no"),
        ("/a/}", "belongs to no"),
        ("/a/{}", "belongs to no"),
        ("/a/{b c}", "belongs to no"),
        ("/a/{1}", "belongs to no"),
        ("/a?b={", "belongs to no"),
        ("/a?b=ä", "holds a character that must be percent-encoded"),
        ("/a?b=c#d", "holds a character that must be percent-encoded"),
        ("/a/{id=7}", "only query and header can have one"),
    ],
)
def test_a_template_that_makes_no_path_is_refused(template: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Template.parse(template)
    assert message in str(caught.value)


def test_a_template_says_what_it_refers_to() -> None:
    template = Template.parse("/a/{id}/{order.user_id}?x={query.x=1}")
    assert template.sources == {"id", "order", "query"}
    assert [str(reference) for reference in template.references] == ["id", "order.user_id", "query.x"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(value=_json, beside=st.text(max_size=3))
def test_no_value_changes_the_segments_around_it(value: object, beside: str) -> None:
    template = Template.parse("/a/{v}/b-{w}?q={v}&r=1")
    try:
        path, query = template.fill({"v": value, "w": beside})
    except UnfitValue:
        return
    before, first, second, third = path.split("/")
    assert (before, first) == ("", "a")
    assert canonical_path(path) == path
    assert unquote(third) == f"b-{beside}"
    if isinstance(value, str):
        assert unquote(second) == value
    assert query.count("&") == 1
    assert query.endswith("&r=1")
    assert query.isascii()
