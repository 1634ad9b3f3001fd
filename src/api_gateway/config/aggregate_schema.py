"""Aggregates in the configuration: one answer out of several services.

    - path: /api/order-details/{id}
      aggregate:
        order:    {service: order-service, path: "/orders/{id}"}
        customer: {service: user-service, path: "/users/{order.user_id}", optional: true, timeout: 500ms}
        products: {service: product-service, path: "/products/{item.product_id}", for_each: order.items}
      response: "{order: order, customer: customer.name, products: products[*].title}"

Rule: `{...}` in a path is a value (`backend/aggregate_template.py`), `for_each` and `response` are JMESPath
(`aggregate_expression.py`). What follows what is inferred. A shape per client, which people call a backend for the
frontend, is several such routes with one path and different hosts or headers; YAML's anchors say the parts once.

Only GET: a part may be thrown away when another fails, and repeated when it is late. What writes belongs in a service.

What it does not do: ask whether services exist (`cross_checks.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator

from api_gateway.backend.aggregate_plan import MAX_BODY, MAX_ITEMS, Part, Plan, Selection, mistakes
from api_gateway.backend.aggregate_template import Template
from api_gateway.backend.aggregator import MAX_PARALLEL, METHODS
from api_gateway.config.aggregate_expression import list_of_a_part, selection
from api_gateway.config.fields import Count, Duration, Flag, Size, Text, text
from api_gateway.config.model import Model
from api_gateway.config.problems import Finding, Path, Refusal, shown
from api_gateway.core.errors import ConfigurationError


def _template(value: object) -> str:
    written = text(value)
    try:
        Template.parse(written)
    except ConfigurationError as error:
        raise Refusal(str(error), "write a path such as /orders/{id} or /users/{order.user_id}") from None
    return written


def _method(value: object) -> str:
    if value == "GET":
        return "GET"
    cause = f"a part's method is GET, not {shown(value)}: it may be thrown away, or made twice"
    raise Refusal(cause, "leave it out; let a service do what writes")


def _parts(value: object) -> object:
    if isinstance(value, dict) and not value:
        raise Refusal("the aggregate has no parts", "add one, such as order: {service: orders, path: '/orders/{id}'}")
    return value


class PartConfig(Model):
    """One part of an answer."""

    service: Text
    """Who is asked, through everything that stands around that service."""
    path: Annotated[str, BeforeValidator(_template)]
    """What is asked for: a path, perhaps with a query, with `{...}` for values."""
    method: Annotated[Literal["GET"], BeforeValidator(_method)] = "GET"
    for_each: Annotated[str, BeforeValidator(lambda value: list_of_a_part(value).written)] | None = None
    """One request for each element of this list; `{item}` in the path is the element."""
    optional: Flag = False
    """Whether the answer goes out without it, marked as partial, if it fails."""
    timeout: Duration | None = None
    """Seconds for all of its requests, from when what it needs is there; within the route's deadline."""
    max_items: Count = MAX_ITEMS
    """Elements of `for_each`; with more the part fails."""
    max_body: Size = MAX_BODY
    """Bytes of its answers together; with more the part fails."""

    def part(self, name: str) -> Part:
        """As the aggregator takes it."""
        for_each = list_of_a_part(self.for_each) if self.for_each is not None else None
        path = Template.parse(self.path)
        return Part(name, self.service, path, for_each, self.optional, self.timeout, self.max_items, self.max_body)


Parts: TypeAlias = Annotated[dict[str, PartConfig], BeforeValidator(_parts)]
"""Parts by name, in the order of the answer."""
ResponseShape: TypeAlias = Annotated[str, BeforeValidator(lambda value: selection(value).written)]
"""JMESPath over the parts."""


@dataclass(frozen=True, slots=True)
class AggregateConfig:
    """What a route says about its aggregate."""

    parts: Mapping[str, PartConfig]
    response: str | None = None
    """All parts as they are unless given."""
    max_parallel: int = MAX_PARALLEL
    """Requests at once for one client's request."""

    def plan(self, parameters: Collection[str]) -> Plan:
        """The plan, for a route with these path parameters.

        Raises:
            ConfigurationError: the parts do not fit together.
        """
        return Plan(self._made(), parameters, self._shape())

    def check(self, route: Path, parameters: Collection[str], methods: Collection[str]) -> Iterator[Finding]:
        """What does not fit together, for the route at `route`."""
        for method in sorted({*methods} - {*METHODS}):
            cause, remedy = f"an aggregate answers GET and HEAD, not {method}", "remove it"
            yield Finding((*route, "methods"), cause, remedy, other=(*route, "aggregate"))
        for mistake in mistakes(self._made(), parameters, self._shape()):
            if mistake.key == "response":
                yield Finding((*route, "response"), mistake.cause, mistake.remedy)
            elif not mistake.part:
                yield Finding((*route, "path"), mistake.cause, mistake.remedy)
            else:
                at = (*route, "aggregate", mistake.part)
                path = (*at, mistake.key) if mistake.key else at
                yield Finding(path, mistake.cause, mistake.remedy, at_key=not mistake.key)
        for name, config in self.parts.items():
            if config.for_each is None and config.max_items != MAX_ITEMS:
                cause = "max_items counts the elements of for_each, which is not there"
                yield Finding((*route, "aggregate", name, "max_items"), cause, "remove it", at_key=True)

    def _made(self) -> list[Part]:
        return [config.part(name) for name, config in self.parts.items()]

    def _shape(self) -> Selection | None:
        return selection(self.response) if self.response is not None else None


def service_name(route: str, index: int) -> str:
    """The name under which the aggregate of a route stands among the services; routes may share theirs."""
    return f"aggregate {route} [{index}]"
