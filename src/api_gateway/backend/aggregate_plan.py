"""Aggregate plan: the parts of one answer, and which of them needs which.

    order                     /orders/{id}                          nothing: asked at once
      |-- customer            /users/{order.user_id}                when order is there
      `-- products            /products/{item.product_id}           once for each of order.items

Rule: nobody writes dependencies down. A part needs every part that its path or its `for_each` names, and no other.
A name means one thing: a part, a path parameter of the route, or one of `item`, `query`, `header`, `identity`. A
part that must be there cannot need one that may be missing.

What it does not do: ask anybody (`aggregator.py`), or evaluate expressions: it is given what does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api_gateway.backend.aggregate_template import Template
from api_gateway.core.errors import ConfigurationError

RESERVED = ("item", "query", "header", "identity")
"""Names that templates have a meaning of their own for."""
PROBLEMS = "_problems"
"""The member of an answer that tells what is missing from it, and why."""
MAX_ITEMS = 100
MAX_BODY = 1024 * 1024
IDENTITY_FACTS = ("subject", "consumer", "tier")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Selection:
    """An expression over the answers of the parts."""

    written: str
    names: frozenset[str]
    """The parts that it reads; among them empty text if it reads all there are."""
    find: Callable[[object], object]
    """Its value; raises ValueError where there is none."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the answer: a request to a service, or one for each element of a list."""

    name: str
    service: str
    path: Template
    for_each: Selection | None = None
    """The list of elements; without it there is one request."""
    optional: bool = False
    """Whether the answer goes out without it if it fails."""
    timeout: float | None = None
    """Seconds for all requests of this part, from when what it needs is there."""
    max_items: int = MAX_ITEMS
    """Elements of `for_each`; more are an error of the part."""
    max_body: int = MAX_BODY
    """Bytes of its answers together; more are an error of the part."""

    @property
    def mentioned(self) -> frozenset[str]:
        """Every name that it refers to."""
        return self.path.sources | (self.for_each.names if self.for_each is not None else frozenset())


class Mistake(NamedTuple):
    """What is wrong with a part, and at which of its keys; an empty key is the part's name."""

    part: str
    key: str
    cause: str
    remedy: str


class Plan:
    """Parts that fit together, and what each waits for."""

    __slots__ = ("headers", "needs", "parameters", "parts", "reads_identity", "reads_query", "response")

    def __init__(self, parts: Sequence[Part], parameters: Collection[str] = (), response: Selection | None = None):
        """Work out what needs what.

        Args:
            parts: in the order of the answer.
            parameters: names of the route's path parameters.
            response: the shape of the answer; all parts as they are unless given.

        Raises:
            ConfigurationError: the parts do not fit together.
        """
        for mistake in mistakes(parts, parameters, response):
            raise ConfigurationError(f"part {mistake.part}: {mistake.cause}; {mistake.remedy}")
        self.parts = tuple(parts)
        self.parameters = tuple(parameters)
        self.response = response
        names = {part.name for part in parts}
        self.needs = {part.name: part.mentioned & names for part in parts}
        references = [reference for part in parts for reference in part.path.references]
        self.reads_query = any(reference.source == "query" for reference in references)
        self.reads_identity = any(reference.source == "identity" for reference in references)
        self.headers = frozenset(reference.steps[0] for reference in references if reference.source == "header")

    @property
    def explained(self) -> list[str]:
        """Each part in a line, in an order in which they can start, and the shape."""
        lines: list[str] = []
        left = [*self.parts]
        started: set[str] = set()
        while left:
            ready = [part for part in left if self.needs[part.name] <= started]
            lines += [self._line(part) for part in ready]
            started |= {part.name for part in ready}
            left = [part for part in left if part.name not in started]
        return [*lines, f"answer: {self.response.written if self.response is not None else 'all parts'}"]

    def _line(self, part: Part) -> str:
        needs = sorted(self.needs[part.name])
        facts = [f"after {' and '.join(needs)}" if needs else "at once", f"GET {part.path.written} of {part.service}"]
        if part.for_each is not None:
            facts.append(f"for each of {part.for_each.written}, at most {part.max_items}")
        facts += ["optional"] if part.optional else []
        facts += [f"within {part.timeout:g} s"] if part.timeout is not None else []
        return f"{part.name}: {', '.join(facts)}"

    def rooted(self, part: Part) -> bool:
        """Whether the part asks for nothing but what the client has named."""
        return not self.needs[part.name]


def mistakes(parts: Sequence[Part], parameters: Collection[str], response: Selection | None) -> Iterator[Mistake]:
    """Everything that keeps these parts from being a plan."""
    names = [part.name for part in parts]
    by_name = {part.name: part for part in parts}
    for part in parts:
        yield from _name(part.name, names, parameters)
        for source in sorted(part.mentioned):
            key = "path" if source in part.path.sources else "for_each"
            yield from _known(part, key, source, by_name, parameters)
        yield from _members(part, parameters)
    for name in sorted(set(parameters) & set(RESERVED)):
        remedy = "rename the parameter"
        yield Mistake("", "", f"the path parameter {name!r} has a name that templates have another meaning for", remedy)
    yield from _cycles(by_name)
    if response is not None:
        for name in sorted(response.names - {*names, PROBLEMS, ""}):
            yield Mistake("", "response", f"there is no part {name!r}", _listed(names))


def _name(name: str, names: Sequence[str], parameters: Collection[str]) -> Iterator[Mistake]:
    if not _NAME.fullmatch(name):
        yield Mistake(name, "", f"{name!r} is not a name for a part", "use a letter, then letters, digits and '_'")
    elif name in RESERVED:
        yield Mistake(name, "", f"{name!r} means something else in templates", "choose another name")
    elif name in parameters:
        yield Mistake(name, "", f"the route has a path parameter {name!r}, too", "rename one of them")
    elif names.count(name) > 1:
        yield Mistake(name, "", f"there are two parts {name!r}", "rename one of them")


def _known(part: Part, key: str, source: str, parts: dict[str, Part], parameters: Collection[str]) -> Iterator[Mistake]:
    if source == "item" and key == "path":
        if part.for_each is None:
            yield Mistake(part.name, key, "{item} is an element of for_each, which is not there", "add for_each")
    elif source in RESERVED and key == "path":
        return
    elif source in parts:
        if source != part.name and parts[source].optional and not part.optional:
            cause = f"it needs {source!r}, which is optional, and is itself required"
            yield Mistake(part.name, key, cause, f"make it optional, too, or {source!r} required")
    elif source not in parameters or key == "for_each":
        kind = "part" if key == "for_each" else "part and no path parameter"
        known = [*parts] if key == "for_each" else [*parameters, *parts]
        yield Mistake(part.name, key, f"there is no {kind} {source!r}", _listed(known))


def _members(part: Part, parameters: Collection[str]) -> Iterator[Mistake]:
    """Whether what comes from the request is named as it must be."""
    for reference in part.path.references:
        source, steps = reference.source, reference.steps
        if source in ("query", "header", "identity") and len(steps) != 1:
            cause = f"{{{reference}}} does not say which {source}"
            yield Mistake(part.name, "path", cause, f"write {{{source}.NAME}}")
        elif source == "identity" and steps[0] not in IDENTITY_FACTS:
            cause = f"nothing is known of a caller under {steps[0]!r}"
            yield Mistake(part.name, "path", cause, f"there are: {', '.join(IDENTITY_FACTS)}")
        elif source == "header" and (steps[0] != steps[0].lower() or "_" in steps[0]):
            cause = f"{steps[0]!r} is not the name of a header in lower case"
            yield Mistake(part.name, "path", cause, "use lower-case letters, digits and hyphens")
        elif source in parameters and steps:
            cause = f"{{{reference}}} looks into the path parameter {source!r}, which is text"
            yield Mistake(part.name, "path", cause, f"write {{{source}}}")


def _cycles(parts: dict[str, Part]) -> Iterator[Mistake]:
    """Take away what needs nothing, again and again; what is left needs itself, or waits for such."""
    left = {name: part.mentioned & parts.keys() for name, part in parts.items()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    if left:
        name = next(name for name in left if name in _reached(name, left))
        part = parts[name]
        key = "path" if part.path.sources & left.keys() else "for_each"
        way = " needs ".join(_way_round(name, left))
        yield Mistake(name, key, f"parts wait for each other: {way}", "take one of these references out")


def _reached(start: str, needs: dict[str, frozenset[str]]) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for name in needs[ahead.pop()] & needs.keys() - found:
            found.add(name)
            ahead.append(name)
    return found


def _way_round(start: str, needs: dict[str, frozenset[str]]) -> list[str]:
    """The shortest way from `start` back to it."""
    ways = [[start]]
    for way in ways:
        for name in sorted(needs[way[-1]] & needs.keys()):
            if name == start:
                return [*way, start]
            if name not in way:
                ways.append([*way, name])
    return [start]


def _listed(names: Collection[str]) -> str:
    return f"there are: {', '.join(names) or 'none'}"
