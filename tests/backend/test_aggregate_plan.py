"""Aggregate plan: dependencies that nobody writes down, and what cannot be a plan."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.backend.aggregate_plan import Part, Plan, Selection, mistakes
from api_gateway.backend.aggregate_template import Template
from api_gateway.core.errors import ConfigurationError


def part(name: str, path: str, *, for_each: str = "", optional: bool = False, timeout: float | None = None) -> Part:
    return Part(name, "s", Template.parse(path), selection(for_each) if for_each else None, optional, timeout)


def selection(written: str) -> Selection:
    return Selection(written, frozenset({written.partition(".")[0]}), lambda value: value)


ORDER = part("order", "/orders/{id}")
CUSTOMER = part("customer", "/users/{order.user_id}", optional=True, timeout=0.5)
PRODUCTS = part("products", "/products/{item.product_id}", for_each="order.items")


def test_a_part_needs_what_its_path_and_its_list_name() -> None:
    both = part("both", "/x/{customer.id}/{item.id}?q={query.q}", for_each="products", optional=True)
    plan = Plan([both, PRODUCTS, CUSTOMER, ORDER], ["id"])
    assert plan.needs == {
        "both": {"customer", "products"},
        "products": {"order"},
        "customer": {"order"},
        "order": frozenset(),
    }
    assert (plan.rooted(ORDER), plan.rooted(CUSTOMER)) == (True, False)
    assert (plan.reads_query, plan.reads_identity, plan.headers) == (True, False, frozenset())


def test_a_plan_explains_itself_in_an_order_in_which_parts_can_start() -> None:
    plan = Plan([PRODUCTS, CUSTOMER, ORDER], ["id"])
    assert plan.explained == [
        "order: at once, GET /orders/{id} of s",
        "products: after order, GET /products/{item.product_id} of s, for each of order.items, at most 100",
        "customer: after order, GET /users/{order.user_id} of s, optional, within 0.5 s",
        "answer: all parts",
    ]
    assert Plan([ORDER], ["id"], selection("order.x")).explained[-1] == "answer: order.x"


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([part("a", "/{b}")], [("a", "path", "there is no part and no path parameter 'b'")]),
        ([part("a", "/{item}", for_each="b.c")], [("a", "for_each", "there is no part 'b'")]),
        ([part("a", "/{item}", for_each="id")], [("a", "for_each", "there is no part 'id'")]),
        ([part("a", "/{item.x}")], [("a", "path", "{item} is an element of for_each, which is not there")]),
        ([part("id", "/")], [("id", "", "the route has a path parameter 'id', too")]),
        ([part("query", "/")], [("query", "", "'query' means something else in templates")]),
        ([part("a-b", "/")], [("a-b", "", "'a-b' is not a name for a part")]),
        ([part("a", "/"), part("a", "/x")], [("a", "", "there are two parts 'a'")] * 2),
        ([part("a", "/{a.id}")], [("a", "path", "parts wait for each other: a needs a")]),
        (
            [part("c", "/{a}"), part("a", "/{b}"), part("b", "/{item}", for_each="a.items")],
            [("a", "path", "parts wait for each other: a needs b needs a")],
        ),
        (
            [part("a", "/", optional=True), part("b", "/{a}")],
            [("b", "path", "it needs 'a', which is optional, and is itself required")],
        ),
        ([part("a", "/{query}")], [("a", "path", "{query} does not say which query")]),
        ([part("a", "/{identity.password}")], [("a", "path", "nothing is known of a caller under 'password'")]),
        ([part("a", "/{header.X-A}")], [("a", "path", "'X-A' is not the name of a header in lower case")]),
        ([part("a", "/{id.x}")], [("a", "path", "{id.x} looks into the path parameter 'id', which is text")]),
    ],
)
def test_what_cannot_be_a_plan_is_told_with_its_place(parts: list[Part], found: list[tuple[str, str, str]]) -> None:
    told = [*mistakes(parts, ["id"], None)]
    assert [(each.part, each.key, each.cause) for each in told] == found
    assert all(each.remedy for each in told)
    with pytest.raises(ConfigurationError):
        Plan(parts, ["id"])


def test_a_shape_may_read_parts_and_problems_only() -> None:
    assert not [*mistakes([ORDER], ["id"], selection("_problems"))]
    [mistake] = mistakes([ORDER], ["id"], selection("orders[0]"))
    assert (mistake.key, mistake.cause, mistake.remedy) == (
        "response",
        "there is no part 'orders[0]'",
        "there are: order",
    )


def test_a_path_parameter_cannot_have_a_name_that_templates_use() -> None:
    [mistake] = mistakes([part("a", "/")], ["item"], None)
    assert "'item'" in mistake.cause


@given(needs=st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef")), min_size=1))
def test_a_plan_is_refused_if_and_only_if_somebody_waits_for_himself(needs: Mapping[str, frozenset[str]]) -> None:
    known = {name: others & needs.keys() for name, others in needs.items()}
    parts = [part(name, "/" + "/".join(f"{{{other}}}" for other in sorted(others))) for name, others in known.items()]
    found = [*mistakes(parts, (), None)]
    assert bool(found) == _has_cycle(known)
    if not found:
        assert len(Plan(parts).explained) == len(parts) + 1


def _has_cycle(needs: Mapping[str, frozenset[str]]) -> bool:
    def reaches(start: str, name: str, seen: frozenset[str]) -> bool:
        return any(
            other == start or (other not in seen and reaches(start, other, seen | {other})) for other in needs[name]
        )

    return any(reaches(name, name, frozenset()) for name in needs)
