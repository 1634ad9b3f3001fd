"""Authorization: who may, who may not, who is not known; and that the last two are never confused."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.core.errors import Forbidden, GatewayError, Unauthenticated
from api_gateway.core.identity import AuthenticationMethod, Identity
from api_gateway.core.middleware import chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import REASONS, AccessRule, AuthorizationMiddleware
from tests.support.gateway_server import answering

READ, WRITE = frozenset({"orders:read"}), frozenset({"orders:write"})


async def served(request: Request, context: RequestContext) -> Response:
    return Response.text("served")


async def ask(layer: AuthorizationMiddleware, identity: Identity | None, method: str = "GET") -> None:
    context = RequestContext()
    context.identity = identity
    await chain([layer], served)(Request(method, "/"), context)


async def refusal(layer: AuthorizationMiddleware, identity: Identity | None, method: str = "GET") -> GatewayError:
    with pytest.raises((Unauthenticated, Forbidden)) as caught:
        await ask(layer, identity, method)
    return caught.value


def caller(
    method: AuthenticationMethod = "jwt",
    *,
    scopes: Collection[str] = (),
    roles: Collection[str] = (),
    claims: Mapping[str, object] = {},
) -> Identity:
    return Identity("anna", method, scopes=frozenset(scopes), roles=frozenset(roles), claims=claims)


async def test_a_rule_that_asks_for_nothing_is_satisfied_by_anybody_who_is_known() -> None:
    layer = AuthorizationMiddleware([AccessRule()])
    await ask(layer, caller())
    assert (await refusal(layer, None)).status == 401


async def test_all_scopes_are_needed() -> None:
    layer = AuthorizationMiddleware([AccessRule(scopes=READ | WRITE)])
    await ask(layer, caller(scopes={"orders:read", "orders:write", "x"}))
    error = await refusal(layer, caller(scopes={"orders:read"}))
    assert (error.status, error.detail) == (403, "The scope orders:write would be needed.")
    assert error.headers.get("www-authenticate") == (
        'Bearer error="insufficient_scope", scope="orders:read orders:write"'
    )
    assert (await refusal(layer, caller())).detail == "The scopes orders:read, orders:write would be needed."


@pytest.mark.parametrize(
    ("method", "told"), [("jwt", True), ("introspection", True), ("api_key", False), ("mtls", False)]
)
async def test_only_a_token_is_told_of_its_scope_in_a_challenge(method: AuthenticationMethod, told: bool) -> None:
    error = await refusal(AuthorizationMiddleware([AccessRule(scopes=READ)]), caller(method))
    assert error.status == 403
    assert ("www-authenticate" in error.headers) is told


async def test_one_role_is_enough() -> None:
    layer = AuthorizationMiddleware([AccessRule(roles=frozenset({"admin", "support"}))])
    await ask(layer, caller(roles={"support"}))
    error = await refusal(layer, caller(roles={"guest"}))
    assert (error.status, error.detail) == (403, "The role admin or support would be needed.")
    assert "www-authenticate" not in error.headers


async def test_a_scope_is_no_role_and_a_role_no_scope() -> None:
    both = frozenset({"admin"})
    assert (await refusal(AuthorizationMiddleware([AccessRule(roles=both)]), caller(scopes={"admin"}))).status == 403
    assert (await refusal(AuthorizationMiddleware([AccessRule(scopes=both)]), caller(roles={"admin"}))).status == 403


@pytest.mark.parametrize("scope", ["orders:Read", "orders", "orders:read:all", "orders:*", "*"])
async def test_scopes_are_compared_whole_and_by_case(scope: str) -> None:
    assert (await refusal(AuthorizationMiddleware([AccessRule(scopes=READ)]), caller(scopes={scope}))).status == 403


async def test_how_the_identity_was_proved_may_matter() -> None:
    layer = AuthorizationMiddleware([AccessRule(proved_by=frozenset({"mtls", "jwt"}))])
    await ask(layer, caller("mtls"))
    error = await refusal(layer, caller("api_key"))
    assert (error.status, error.detail) == (403, "Callers must prove who they are by jwt or mtls here.")


@pytest.mark.parametrize(
    ("claims", "name", "values", "fits"),
    [
        ({"tenant": "acme"}, "tenant", ("acme",), True),
        ({"tenant": "Acme"}, "tenant", ("acme",), False),
        ({"tenant": "b"}, "tenant", ("a", "b"), True),
        ({}, "tenant", ("acme",), False),
        ({"tenant": None}, "tenant", ("acme",), False),
        ({"tenant": {"acme": "acme"}}, "tenant", ("acme",), False),
        ({"groups": ["a", "b"]}, "groups", ("b", "c"), True),
        ({"groups": []}, "groups", ("b",), False),
        ({"groups": [["b"]]}, "groups", ("b",), False),
        ({"groups": "abc"}, "groups", ("b",), False),
        ({"level": 1}, "level", (1,), True),
        ({"level": 1.0}, "level", (1,), True),
        ({"level": "1"}, "level", (1,), False),
        ({"level": 1}, "level", ("1",), False),
        ({"level": True}, "level", (1,), False),
        ({"level": 1}, "level", (True,), False),
        ({"level": 0}, "level", (False,), False),
        ({"verified": True}, "verified", (True,), True),
        ({"address": {"country": {"code": "NL"}}}, "address.country.code", ("NL",), True),
        ({"address": {"country": "NL"}}, "address.country.code", ("NL",), False),
        ({"address": "NL"}, "address.country", ("NL",), False),
        ({"https://example.com/tenant": "acme"}, "https://example.com/tenant", ("acme",), True),
        ({"a.b": "outer", "a": {"b": "inner"}}, "a.b", ("outer",), True),
        ({"a.b": "outer", "a": {"b": "inner"}}, "a.b", ("inner",), False),
        ({"": "x"}, ".", ("x",), False),
    ],
)
async def test_claims_fit_by_name_path_and_type(
    claims: dict[str, object], name: str, values: tuple[str | int, ...], fits: bool
) -> None:
    layer = AuthorizationMiddleware([AccessRule(claims={name: values})])
    if fits:
        await ask(layer, caller(claims=claims))
    else:
        error = await refusal(layer, caller(claims=claims))
        assert (error.status, layer.denied["claims"]) == (403, 1)


async def test_every_claim_is_needed_and_no_value_is_told() -> None:
    layer = AuthorizationMiddleware([AccessRule(claims={"tenant": ("acme",), "department": ("hush-hush", "b")})])
    await ask(layer, caller(claims={"tenant": "acme", "department": "b"}))
    error = await refusal(layer, caller(claims={"tenant": "acme", "department": "sales"}))
    assert error.detail == "The claim department is not one that is needed here."
    assert "hush-hush" not in f"{error.detail}{error.headers!r}{layer.explained}"


RULES = [
    AccessRule(methods=frozenset({"GET", "HEAD"}), scopes=READ),
    AccessRule(methods=frozenset({"POST", "PUT"}), scopes=WRITE, roles=frozenset({"admin"})),
]


@pytest.mark.parametrize(
    ("method", "identity", "status", "reason"),
    [
        ("GET", caller(scopes={"orders:read"}), 200, ""),
        ("HEAD", caller(scopes={"orders:read"}), 200, ""),
        ("POST", caller(scopes={"orders:write"}, roles={"admin"}), 200, ""),
        ("POST", caller(scopes={"orders:read"}, roles={"admin"}), 403, "scopes"),
        ("POST", caller(scopes={"orders:write"}), 403, "roles"),
        ("GET", caller(scopes={"orders:write"}, roles={"admin"}), 403, "scopes"),
        ("DELETE", caller(scopes={"orders:read", "orders:write"}, roles={"admin"}), 403, "no_rule"),
        ("get", caller(scopes={"orders:read"}), 403, "no_rule"),
        ("GET", caller(), 403, "scopes"),
        ("GET", None, 401, "no_identity"),
        ("DELETE", None, 401, "no_identity"),
    ],
)
async def test_the_first_rule_whose_methods_fit_decides_and_what_none_allows_is_denied(
    method: str, identity: Identity | None, status: int, reason: str
) -> None:
    layer = AuthorizationMiddleware(RULES)
    if status == 200:
        await ask(layer, identity, method)
    else:
        assert (await refusal(layer, identity, method)).status == status
    assert {name: count for name, count in layer.denied.items() if count} == ({reason: 1} if reason else {})


Words = st.frozensets(st.sampled_from(["a", "b", "c"]))
Rules = st.builds(
    AccessRule,
    methods=st.frozensets(st.sampled_from(["GET", "POST"])),
    proved_by=st.frozensets(st.sampled_from(["jwt", "mtls"])),
    scopes=Words,
    roles=Words,
    claims=st.dictionaries(st.sampled_from(["t", "u"]), st.lists(st.sampled_from([1, "1"]), min_size=1)),
)
Callers = st.none() | st.builds(
    Identity,
    st.just("anna"),
    st.sampled_from(["jwt", "mtls", "api_key"]),
    scopes=Words,
    roles=Words,
    claims=st.dictionaries(st.sampled_from(["t", "u"]), st.sampled_from([1, "1", None])),
)


@given(st.lists(Rules, min_size=1, max_size=3), Callers, st.sampled_from(["GET", "POST", "PUT"]))
async def test_it_decides_as_the_rule_reads(rules: list[AccessRule], identity: Identity | None, method: str) -> None:
    """The same, once more, as plainly as it can be put."""
    fitting = [rule for rule in rules if not rule.methods or method in rule.methods]
    expected = 401
    if identity is not None:
        expected = 403
        if fitting:
            (rule, *_) = fitting
            granted = (
                (not rule.proved_by or identity.method in rule.proved_by)
                and rule.scopes.issubset(identity.scopes)
                and (not rule.roles or bool(rule.roles & identity.roles))
                and all(identity.claims.get(name) in values for name, values in rule.claims.items())
            )
            expected = 200 if granted else 403
    layer = AuthorizationMiddleware(rules)
    if expected == 200:
        await ask(layer, identity, method)
    else:
        error = await refusal(layer, identity, method)
        assert error.status == expected
        assert ("www-authenticate" in error.headers) or error.status == 403
    assert sum(layer.denied.values()) == (expected != 200)


class Tokens:
    """A stand-in whose tokens are the scopes that they grant."""

    challenge = 'Bearer realm="api"'
    credential_headers = frozenset({b"authorization"})

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        token = request.header("authorization")
        if token is None:
            return None
        if "forged" in token:
            raise InvalidCredentials("The token is not valid.")
        return Identity("anna", "jwt", scopes=frozenset(token.split()[1:]))


BEARER = 'Bearer realm="api"'
INVALID = BEARER + ', error="invalid_token", error_description="The token is not valid."'
SCOPE = 'Bearer error="insufficient_scope", scope="orders:read"'
ANSWERS: dict[str, tuple[int, str | None]] = {
    "": (401, BEARER),
    "Bearer forged": (401, INVALID),
    "Bearer other": (403, SCOPE),
    "Bearer orders:read": (200, None),
}


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("token", ANSWERS)
async def test_401_is_for_who_is_not_known_and_403_for_who_is(token: str, optional: bool) -> None:
    """The matrix: whether authentication is optional or not makes no difference behind an authorization."""
    layers = AuthMiddleware([Tokens()], optional=optional), AuthorizationMiddleware([AccessRule(scopes=READ)])
    response = await answering(served, *layers).handle(Request("GET", "/", {"authorization": token} if token else {}))
    assert (response.status, response.header("www-authenticate")) == ANSWERS[token]
    assert len(response.headers.get_all("www-authenticate")) == (response.status != 200)
    await response.close()


async def test_without_any_authentication_before_it_everybody_is_unknown() -> None:
    response = await answering(served, AuthorizationMiddleware([AccessRule()])).handle(
        Request("GET", "/", {"authorization": "Bearer orders:read", "x-user-id": "root"})
    )
    assert (response.status, response.header("www-authenticate")) == (401, BEARER)
    await response.close()


def test_no_rule_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one rule"):
        AuthorizationMiddleware([])


def test_it_explains_its_rules_in_a_line_each() -> None:
    full = AccessRule(proved_by=frozenset({"mtls"}), roles=frozenset({"b", "a"}), claims={"tenant": ("acme",)})
    assert AuthorizationMiddleware([*RULES, full, AccessRule()]).explained == (
        "GET, HEAD: scopes orders:read",
        "POST, PUT: scopes orders:write; role admin",
        "any method: proved by mtls; role a or b; claims tenant",
        "any method: anybody who is known",
    )


def test_each_reason_is_counted_from_the_start() -> None:
    assert AuthorizationMiddleware(RULES).denied == dict.fromkeys(REASONS, 0)
