"""Aggregates in the configuration: the contract's spelling, and every mistake at its place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import TypeAdapter, ValidationError

from api_gateway.config.aggregate_schema import AggregateConfig, PartConfig, Parts, ResponseShape, service_name
from api_gateway.config.problems import Finding, key_path
from tests.support.aggregates import ORDER_DETAILS, ORDER_DETAILS_SHAPE

AT = ("routes", 0)


def config(
    parts: Mapping[str, Mapping[str, object]] = ORDER_DETAILS, response: str | None = ORDER_DETAILS_SHAPE
) -> AggregateConfig:
    return AggregateConfig(TypeAdapter(Parts).validate_python(dict(parts)), response)


def found(parts: Mapping[str, Mapping[str, object]], response: str | None = None, *methods: str) -> list[Finding]:
    return [*config(parts, response).check(AT, ["id"], methods)]


def part(**keys: object) -> dict[str, object]:
    return {"service": "s", "path": "/x", **keys}


def test_the_contracts_example_is_read() -> None:
    read = config()
    customer, products = read.parts["customer"], read.parts["products"]
    assert (customer.service, customer.optional, customer.timeout) == ("user-service", True, 0.5)
    assert (products.for_each, products.max_items, products.max_body) == ("order.items", 100, 1024 * 1024)
    plan = read.plan(["id"])
    assert [part.name for part in plan.parts] == ["order", "customer", "products"]
    assert plan.needs == {"order": frozenset(), "customer": {"order"}, "products": {"order"}}
    assert plan.response is not None
    assert plan.response.names == {"order", "customer", "products"}
    assert not [*read.check(AT, ["id"], ["GET", "HEAD"])]


def test_a_dump_is_read_again() -> None:
    read = config()
    adapter = TypeAdapter(Parts)
    again = adapter.validate_python(adapter.dump_python(dict(read.parts)))
    assert again == read.parts
    assert not [*AggregateConfig(again).check(AT, ["id"], ())]
    assert "properties" in PartConfig.model_json_schema()


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (part(path="orders"), "must be a path that begins with '/'"),
        (part(path="/{"), "belongs to no {name}"),
        (part(path="/{id=1}"), "only query and header can have one"),
        (part(method="POST"), "a part's method is GET, not 'POST'"),
        (part(timeout=0), "the duration is zero"),
        (part(max_body="many"), "size"),
        (part(max_items=0), "count 0 is out of range"),
        (part(optional="maybe"), "expected true or false"),
        (part(foreach="order.items"), "unknown key 'foreach'; did you mean 'for_each'?"),
        (part(for_each="order."), "is not a JMESPath expression"),
        (part(for_each="(" * 5000), "is not a JMESPath expression"),
        (part(for_each="`[1]`"), "does not say which part it looks into"),
        (part(for_each="@"), "does not say which part it looks into"),
        (part(for_each="[*].x"), "does not say which part it looks into"),
        (part(for_each="order.items | first(@)"), "JMESPath has no function 'first'"),
        (part(for_each="sort_by(order.items)"), "sort_by() takes 2 arguments, not 1"),
        (part(for_each="merge()"), "merge() takes at least 1 arguments, not 0"),
        ({"path": "/x"}, "Field required"),
    ],
)
def test_mistakes_of_one_part_are_told(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PartConfig.model_validate(keys)
    assert text in str(caught.value)


def test_an_aggregate_without_parts_is_refused() -> None:
    with pytest.raises(ValidationError, match="the aggregate has no parts"):
        TypeAdapter(Parts).validate_python({})


def test_a_shape_that_is_no_expression_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a JMESPath expression"):
        TypeAdapter(ResponseShape).validate_python("{a: }")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("order.items", {"order"}),
        ("orders[:3].{id: id}", {"orders"}),
        ("orders[?total > `3`].id", {"orders"}),
        ("orders[] | [0]", {"orders"}),
        ("map(&title, products)", {"products"}),
        ("sort_by(products, &title)[*].title", {"products"}),
        ("order.items || `[]`", {"order"}),
        ("[order.a, user.b]", {"order", "user"}),
        ("!order", {"order"}),
        ("order.*.x", {"order"}),
        ("order.items && user.items", {"order", "user"}),
        ('"order".items', {"order"}),
    ],
)
def test_an_expression_reads_the_parts_that_it_names_first(written: str, names: set[str]) -> None:
    for_each = PartConfig.model_validate(part(for_each=written)).part("x").for_each
    assert for_each is not None
    assert for_each.names == names


@pytest.mark.parametrize(
    ("parts", "response", "place", "cause"),
    [
        ({"a": part(path="/{b}")}, None, "routes[0].aggregate.a.path", "there is no part and no path parameter 'b'"),
        ({"a": part(path="/{item}", for_each="b")}, None, "routes[0].aggregate.a.for_each", "there is no part 'b'"),
        ({"id": part()}, None, "routes[0].aggregate.id", "the route has a path parameter 'id', too"),
        ({"a": part(path="/{a.x}")}, None, "routes[0].aggregate.a.path", "parts wait for each other: a needs a"),
        ({"a": part(max_items=3)}, None, "routes[0].aggregate.a.max_items", "max_items counts the elements of"),
        ({"a": part()}, "{x: b.c}", "routes[0].response", "there is no part 'b'"),
    ],
)
def test_what_does_not_fit_together_is_told_at_its_place(
    parts: Mapping[str, Mapping[str, object]], response: str | None, place: str, cause: str
) -> None:
    [finding] = found(parts, response)
    assert key_path(finding.path) == place
    assert finding.cause.startswith(cause)
    assert finding.remedy


def test_a_shape_may_read_everything() -> None:
    assert not found({"a": part()}, "@")
    assert not found({"a": part()}, "keys(@)")


def test_an_aggregate_for_a_method_that_writes_is_refused() -> None:
    [finding] = found({"a": part()}, None, "GET", "POST")
    assert key_path(finding.path) == "routes[0].methods"
    assert "not POST" in finding.cause


def test_aggregates_of_routes_that_share_a_name_have_names_of_their_own() -> None:
    assert service_name("/api/dashboard", 1) != service_name("/api/dashboard", 2)
