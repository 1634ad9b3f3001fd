"""Authorization: whether the caller that authentication has proved may do this.

    rules:                                                     the first whose methods fit decides
      - {methods: [GET, HEAD], scopes: [orders:read]}
      - {methods: [POST, PUT], roles: [admin], scopes: [orders:write]}

| a rule's        | asks for                                              | otherwise                                 |
|-----------------|-------------------------------------------------------|-------------------------------------------|
| methods         | the request's method, if any are given                | the next rule; after the last one, 403    |
| proved_by       | an identity proved in one of these ways               | 403                                       |
| scopes          | all of them                                           | 403 with `insufficient_scope` for a token |
| roles           | one of them                                           | 403                                       |
| claims          | for each name one of its values                       | 403                                       |

Rule: what no rule allows is denied. A caller that nobody has proved gets 401, whatever the rules say, for then it is
not known who may not; one that is known gets 403, for no other proof of the same would help. A rule that asks for
nothing is satisfied by anybody who is known.

Claims: a name is looked up as it stands, then as a path into nested claims (`address.country`); names such as
`https://example.com/tenant` have dots of their own, hence the order. A claim that is a list fits if one of its members
does. Values are compared by type too: neither "1" nor true is 1.

The refusal names the scopes and roles that are needed, and the claim, but never the value that it should have.

Cost: under 1 us. What it does not do: prove who is calling (`auth_middleware.py`), or ask anybody.

Source: RFC 9110 15.5.4 (403); RFC 6750 3.1 (insufficient_scope).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from api_gateway.auth.challenge import IdentityNeeded, insufficient_scope
from api_gateway.core.errors import Forbidden
from api_gateway.core.headers import Headers
from api_gateway.core.identity import AuthenticationMethod, Identity
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts

ClaimValue: TypeAlias = str | int | float | bool
Reason: TypeAlias = Literal["no_identity", "no_rule", "proved_by", "scopes", "roles", "claims"]
REASONS: tuple[Reason, ...] = ("no_identity", "no_rule", "proved_by", "scopes", "roles", "claims")
"""Why a request was denied; the first that holds, in this order."""

_BEARER_METHODS = frozenset({"jwt", "introspection"})


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What a caller needs."""

    methods: frozenset[str] = frozenset()
    """The request methods it is for; empty for all."""
    proved_by: frozenset[AuthenticationMethod] = frozenset()
    """How the identity may have been proved; empty for any way."""
    scopes: frozenset[str] = frozenset()
    """All of these."""
    roles: frozenset[str] = frozenset()
    """One of these; empty for none needed."""
    claims: Mapping[str, Sequence[ClaimValue]] = field(default_factory=dict)
    """For each name, the values of which the claim must have one."""

    def denial(self, identity: Identity) -> tuple[Reason, str] | None:
        """What `identity` lacks, as a reason and a sentence; None if nothing."""
        if self.proved_by and identity.method not in self.proved_by:
            return "proved_by", f"Callers must prove who they are by {_either(self.proved_by)} here."
        if not self.scopes <= identity.scopes:
            missing = sorted(self.scopes - identity.scopes)
            return "scopes", f"The scope{'s' * (len(missing) > 1)} {', '.join(missing)} would be needed."
        if self.roles and self.roles.isdisjoint(identity.roles):
            return "roles", f"The role {_either(self.roles)} would be needed."
        for name, values in self.claims.items():
            if not _fits(_claim(identity.claims, name), values):
                return "claims", f"The claim {name} is not one that is needed here."
        return None

    @property
    def explained(self) -> str:
        """The rule in a line, without the values of claims."""
        needs = [
            f"proved by {_either(self.proved_by)}" if self.proved_by else "",
            f"scopes {', '.join(sorted(self.scopes))}" if self.scopes else "",
            f"role {_either(self.roles)}" if self.roles else "",
            f"claims {', '.join(self.claims)}" if self.claims else "",
        ]
        methods = ", ".join(sorted(self.methods)) or "any method"
        return f"{methods}: {'; '.join(filter(None, needs)) or 'anybody who is known'}"


class AuthorizationMiddleware:
    """Lets those through whom a rule allows."""

    __slots__ = ("denied", "rules")

    def __init__(self, rules: Sequence[AccessRule]) -> None:
        """`rules` are tried in their order.

        Raises:
            ValueError: there is no rule, so that nobody could ever pass.
        """
        if not rules:
            raise ValueError("there must be at least one rule")
        self.rules = tuple(rules)
        self.denied: dict[Reason, int] = dict.fromkeys(REASONS, 0)
        """How many requests were denied, by reason."""

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Hand on what is allowed.

        Raises:
            Unauthenticated: it is not known who is calling.
            Forbidden: it is, and they may not.
        """
        identity = context.identity
        if identity is None:
            self.denied["no_identity"] += 1
            raise IdentityNeeded("Only callers that prove who they are may do this.")
        for rule in self.rules:
            if not rule.methods or request.method in rule.methods:
                denial = rule.denial(identity)
                if denial is not None:
                    raise self._forbidden(*denial, rule, identity)
                return call_next(request, context)
        self.denied["no_rule"] += 1
        raise Forbidden("No rule allows this method here.")

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The rule for the method, what the caller has of that, and what is lacking."""
        identity = context.identity
        rule = next((rule for rule in self.rules if not rule.methods or request.method in rule.methods), None)
        demanded = None if rule is None else rule.explained
        if identity is None:
            return {"demanded": demanded, "caller": None}
        lacks = None if rule is None else rule.denial(identity)
        return {
            "demanded": demanded,
            "caller": identity.subject,
            "proved by": identity.method,
            "scopes": sorted(identity.scopes),
            "roles": sorted(identity.roles),
            "lacks": None if lacks is None else lacks[0],
        }

    @property
    def explained(self) -> tuple[str, ...]:
        """The rules, a line for each; nothing in them is secret."""
        return tuple(rule.explained for rule in self.rules)

    def _forbidden(self, reason: Reason, detail: str, rule: AccessRule, identity: Identity) -> Forbidden:
        self.denied[reason] += 1
        headers = Headers()
        if reason == "scopes" and identity.method in _BEARER_METHODS:
            headers = Headers([("www-authenticate", insufficient_scope(rule.scopes))])
        return Forbidden(detail, headers=headers)


def _either(words: frozenset[str]) -> str:
    return " or ".join(sorted(words))


def _claim(claims: Mapping[str, object], name: str) -> object:
    """The claim of this name or at this path; None if there is none."""
    if name in claims:
        return claims[name]
    found: object = claims
    for step in name.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


def _fits(claim: object, values: Sequence[ClaimValue]) -> bool:
    members = claim if isinstance(claim, list | tuple) else (claim,)
    return any(_same(member, value) for member in members for value in values)


def _same(claim: object, value: ClaimValue) -> bool:
    return claim == value and isinstance(claim, bool) == isinstance(value, bool)
