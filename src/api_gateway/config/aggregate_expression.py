"""Aggregate expressions: JMESPath over the answers of an aggregate's parts, read when the configuration is.

Rule: an expression is compiled once, and what it reads is found in its syntax tree: `order.items` reads the part
`order`; in `products[*].title`, `title` is inside of an element and names no part. A function that does not exist,
or gets too few arguments, is found here and not with the first request.

What it does not do: know which parts there are (`backend/aggregate_plan.py`), or bound what an expression costs:
that is bounded by the size of the parts.

Source: jmespath.org/specification.html; the package jmespath.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

import jmespath
from jmespath.functions import Functions

from api_gateway.backend.aggregate_plan import Selection
from api_gateway.config.fields import text
from api_gateway.config.problems import Refusal, did_you_mean
from api_gateway.middleware.transform.expression import wrong_count

_Node: TypeAlias = Mapping[str, object]

_REMEDY = "write JMESPath, such as order.items or {name: customer.name, titles: products[*].title}"
# Of these only the first child sees what stands around the expression; the others look at what it has found.
_NARROWING = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "pipe", "flatten"}
)
_WHOLE = frozenset({"current", "identity"})


def selection(value: object) -> Selection:
    """The expression that `value` is.

    Raises:
        Refusal: it is not JMESPath, or calls a function wrongly.
    """
    written = text(value)
    try:
        compiled = jmespath.compile(written)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        raise Refusal(f"{written!r} is not a JMESPath expression: {reason}", _REMEDY) from None
    root = cast(_Node, compiled.parsed)
    for node in _all(root):
        if node["type"] == "function_expression":
            _check_call(node)
    return Selection(written, frozenset(_names(root)), compiled.search)


def list_of_a_part(value: object) -> Selection:
    """An expression that says which part's answer it looks into.

    Raises:
        Refusal: it is not JMESPath, or it looks at no part, or at all of them.
    """
    found = selection(value)
    if not found.names or "" in found.names:
        raise Refusal(f"{found.written!r} does not say which part it looks into", "write PART.MEMBER: order.items")
    return found


def _children(node: _Node) -> list[_Node]:
    return [cast(_Node, child) for child in cast(list[object], node["children"]) if isinstance(child, Mapping)]


def _all(node: _Node) -> Iterator[_Node]:
    yield node
    for child in _children(node):
        yield from _all(child)


def _names(node: _Node) -> Iterator[str]:
    """The names that `node` looks up where the whole expression stands; empty for everything there is."""
    kind = node["type"]
    if kind == "field":
        yield str(node["value"])
    elif kind in _WHOLE:
        yield ""
    elif kind != "expref":
        children = _children(node)
        for child in children[:1] if kind in _NARROWING else children:
            yield from _names(child)


def _check_call(node: _Node) -> None:
    name = str(node["value"])
    table = cast(Mapping[str, Mapping[str, object]], Functions.FUNCTION_TABLE)
    if name not in table:
        raise Refusal(f"JMESPath has no function {name!r}", did_you_mean(name, table, "there are"))
    wrong = wrong_count(name, table[name], len(_children(node)))
    if wrong is not None:
        raise Refusal(wrong, "correct the call")
