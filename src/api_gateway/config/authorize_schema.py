"""Authorization in the configuration: what a caller needs.

    - authorize: {}                                             # to be known
    - authorize: {scopes: [orders:read]}                        # all of them
    - authorize: {roles: [admin, support]}                      # one of them
    - authorize: {claims: {tenant: acme, department: [a, b]}}   # each, with one of its values
    - authorize: {proved_by: [mtls]}                            # in one of these ways
    - authorize:
        rules:                                                  # the first whose methods fit decides; else denied
          - {methods: [GET, HEAD], scopes: [orders:read]}
          - {methods: [POST, PUT], roles: [admin], scopes: [orders:write]}

Rule: an entry is one rule, or a list of them under `rules`, of which each can decide something. GET does not stand
for HEAD. `middleware/authorization.py` says what each key means.

What it does not do: know which authentication stands before it; `check_authorize` is told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, TypeAlias, get_args

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from api_gateway.config.fields import Text, choice, text
from api_gateway.config.http_fields import Method
from api_gateway.config.model import Model
from api_gateway.config.problems import Finding, Path, Refusal, shown
from api_gateway.core.identity import AuthenticationMethod
from api_gateway.middleware.authorization import AccessRule, ClaimValue

_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 3.3, as core/identity.py has it
_LIST_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
_VALUE_TYPES = {"type": ["string", "number", "boolean"]}


def _several(kind: str) -> Callable[[object], object]:
    """A validator for a list of `kind` with something in it; a single one may stand alone."""

    def check(value: object) -> object:
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list | tuple | set | frozenset) or not value:
            raise Refusal(f"expected a {kind}, or several", "write [..., ...], or leave the key out")
        return tuple(value)

    return check


def _word(value: object) -> str:
    word = text(value)
    if not _WORD.fullmatch(word):
        remedy = "write a list of words without spaces and quotes, such as [orders:read, orders:write]"
        raise Refusal(f"{word!r} is not a scope or a role", remedy)
    return word


def _claim_values(value: object) -> object:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    remedy = "write a text, a number, true or false, or a list of them"
    if not values:
        raise Refusal("a claim without a value would never fit", remedy)
    for each in values:
        if not isinstance(each, ClaimValue) or (isinstance(each, float) and not math.isfinite(each)):
            raise Refusal(f"a claim cannot be compared with {shown(each)}", remedy)
    return values


Methods: TypeAlias = Annotated[tuple[Method, ...], BeforeValidator(_several("method")), _LIST_SCHEMA]
Words: TypeAlias = Annotated[
    tuple[Annotated[str, BeforeValidator(_word)], ...], BeforeValidator(_several("word")), _LIST_SCHEMA
]
Proofs: TypeAlias = Annotated[
    tuple[Annotated[AuthenticationMethod, BeforeValidator(choice("proved_by", *get_args(AuthenticationMethod)))], ...],
    BeforeValidator(_several("way of proof")),
    _LIST_SCHEMA,
]
ClaimValues: TypeAlias = Annotated[
    tuple[ClaimValue, ...],
    BeforeValidator(_claim_values),
    WithJsonSchema({"anyOf": [_VALUE_TYPES, {"type": "array", "items": _VALUE_TYPES, "minItems": 1}]}),
]


class RuleOptions(Model):
    """One rule."""

    methods: Methods = ()
    """The request methods it is for; all unless given."""
    proved_by: Proofs = ()
    """How the identity may have been proved; in any way unless given."""
    scopes: Words = ()
    """All of these."""
    roles: Words = ()
    """One of these."""
    claims: dict[Text, ClaimValues] = Field(default_factory=dict)
    """For each name, or path such as address.country, the value or values of which it must have one."""

    @property
    def rule(self) -> AccessRule:
        """The same, as the middleware takes it."""
        return AccessRule(
            frozenset(self.methods),
            frozenset(self.proved_by),
            frozenset(self.scopes),
            frozenset(self.roles),
            self.claims,
        )

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class AuthorizeOptions(RuleOptions):
    """One entry of a middleware list: a rule, or several under `rules`."""

    rules: Annotated[tuple[RuleOptions, ...], BeforeValidator(_several("rule"))] = ()
    """The first whose methods fit decides; where none fits, nobody may."""

    @property
    def all_rules(self) -> tuple[AccessRule, ...]:
        """The rules, however they were written."""
        return tuple(options.rule for options in self.rules or (self,))

    @model_validator(mode="after")
    def _each_rule_counts(self) -> AuthorizeOptions:
        beside = sorted(self.model_fields_set - {"rules"})
        if self.rules and beside:
            raise Refusal(f"{beside[0]} stands beside rules", "move it into the rules it is meant for")
        decided: set[str] = set()
        for number, options in enumerate(self.rules, start=1):
            if number > 1 and (not self.rules[number - 2].methods or decided.issuperset(options.methods or ("*",))):
                cause = f"rule {number} never decides: those before it take all of its methods"
                raise Refusal(cause, "put the narrower rule first, or remove one")
            decided.update(options.methods)
        return self


def check_authorize(
    path: Path, names: Mapping[int, str], before: Collection[str] = (), *, plugins: Collection[str] = ()
) -> Iterator[Finding]:
    """Each `authorize` of a middleware list that no authentication stands before, so that it would refuse everybody.

    Args:
        path: where the list stands.
        names: the names in it, by position; those that are not valid left out.
        before: the names of the lists that come earlier.
        plugins: names of middleware that is not built in; one of these may prove who is calling, too.
    """
    proving = {"auth", *plugins}
    for position, name in names.items():
        earlier = {*before, *(names[index] for index in names if index < position)}
        hidden = position > sum(index < position for index in names)  # one that is not valid may be the one
        if name == "authorize" and proving.isdisjoint(earlier) and not hidden:
            cause = "authorize has no auth before it, so nobody would be known"
            yield Finding((*path, position), cause, "add auth before it in this list, or in the one for all requests")
