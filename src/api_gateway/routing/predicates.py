"""Predicates: what a route demands of a request beyond its path and host.

Rule: method, headers and query must *all* hold. The value of a header or query parameter is
compared exactly, or by a regular expression that must match all of it, or merely has to be there.

`rank` orders predicates from vague to specific; `may_overlap` says whether one request could
satisfy two of them. `router.py` uses both to refuse ties when it is built.

What it does not do: look at the path, the body, or who is calling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qsl

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.request import Request


@dataclass(frozen=True, slots=True)
class Exactly:
    """Holds for one value."""

    value: str

    def __call__(self, value: str) -> bool:
        return value == self.value

    def __str__(self) -> str:
        return f"must be {self.value!r}"


@dataclass(frozen=True, slots=True)
class Matching:
    """Holds for values that a regular expression matches from beginning to end."""

    pattern: re.Pattern[str]

    @classmethod
    def compile(cls, expression: str) -> Matching:
        """Raises ConfigurationError where `expression` is not a regular expression."""
        try:
            return cls(re.compile(expression))
        except re.error as error:
            raise ConfigurationError(f"{expression!r} is not a regular expression: {error}") from None

    def __call__(self, value: str) -> bool:
        return self.pattern.fullmatch(value) is not None

    def __str__(self) -> str:
        return f"must match {self.pattern.pattern!r}"


@dataclass(frozen=True, slots=True)
class Present:
    """Holds for any value, as long as there is one."""

    def __call__(self, value: str) -> bool:
        return True

    def __str__(self) -> str:
        return "must be present"


ValuePredicate: TypeAlias = Exactly | Matching | Present
"""What is demanded of one header or query parameter."""

Rank: TypeAlias = tuple[int, ...]
"""Compared from left to right; the greater one is more specific."""


@dataclass(frozen=True, slots=True)
class Predicates:
    """Everything a route demands beyond path and host; empty demands nothing."""

    methods: frozenset[str] = frozenset()
    headers: Mapping[str, ValuePredicate] = field(default_factory=dict)
    query: Mapping[str, ValuePredicate] = field(default_factory=dict)

    def accepts_method(self, method: str) -> bool:
        """Whether the method is right. A route for GET answers HEAD too (RFC 9110 9.3.2)."""
        return not self.methods or method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def allowed_methods(self) -> frozenset[str]:
        """The methods for an `Allow` header."""
        return self.methods | {"HEAD"} if "GET" in self.methods else self.methods

    def accepts_values(self, request: Request) -> bool:
        """Whether headers and query are right."""
        if not self.headers and not self.query:
            return True
        return self.why_not(request) is None

    def why_not(self, request: Request) -> str | None:
        """The first header or query demand that `request` does not meet, as a sentence; else None."""
        for name, predicate in self.headers.items():
            if not any(map(predicate, request.headers.get_all(name))):
                return f"header {name} {predicate}"
        if self.query:
            parameters = parse_qsl(request.query, keep_blank_values=True)
            for name, predicate in self.query.items():
                if not any(predicate(value) for key, value in parameters if key == name):
                    return f"query parameter {name} {predicate}"
        return None

    def rank(self) -> Rank:
        """How specific: more headers first, then more query parameters, then named methods.

        Among as many headers (or parameters), more exact values win, then more expressions.
        """
        return (*_rank_of(self.headers.values()), *_rank_of(self.query.values()), int(bool(self.methods)))

    def may_overlap(self, other: Predicates) -> bool:
        """Whether some request that gives each value once could satisfy both."""
        if self.methods and other.methods and self.methods.isdisjoint(other.methods):
            return False
        return not (_exclude(self.headers, other.headers) or _exclude(self.query, other.query))


def _rank_of(predicates: Iterable[ValuePredicate]) -> Rank:
    kinds = [type(predicate) for predicate in predicates]
    return (len(kinds), kinds.count(Exactly), kinds.count(Matching))


def _exclude(ours: Mapping[str, ValuePredicate], theirs: Mapping[str, ValuePredicate]) -> bool:
    """Whether one value demanded exactly by one side is refused by the other."""
    for name in ours.keys() & theirs.keys():
        mine, yours = ours[name], theirs[name]
        if isinstance(mine, Exactly) and not yours(mine.value):
            return True
        if isinstance(yours, Exactly) and not mine(yours.value):
            return True
    return False
