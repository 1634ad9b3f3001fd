"""Authorization in the configuration: what is read, what could never decide, and where an authentication is missing."""

from __future__ import annotations

import json
import pickle

import pytest
from pydantic import ValidationError

from api_gateway.config.authorize_schema import AuthorizeOptions, check_authorize
from api_gateway.config.problems import Finding
from api_gateway.middleware.authorization import AccessRule


def read(**keys: object) -> AuthorizeOptions:
    return AuthorizeOptions.model_validate(keys)


def said(**keys: object) -> str:
    with pytest.raises(ValidationError) as caught:
        AuthorizeOptions.model_validate(keys)
    return " | ".join(str(line.get("ctx", {}).get("error", line["msg"])) for line in caught.value.errors())


def test_the_contracts_example_is_one_rule() -> None:
    assert read(scopes=["orders:read"]).all_rules == (AccessRule(scopes=frozenset({"orders:read"})),)


def test_nothing_asks_for_an_identity_and_no_more() -> None:
    assert read().all_rules == (AccessRule(),)


def test_everything_of_a_rule_is_read() -> None:
    (rule,) = read(
        methods=["get", "HEAD"],
        proved_by="mtls",
        scopes=["a", "b"],
        roles="admin",
        claims={"tenant": "acme", "department": ["a", "b"], "level": 3, "address.verified": True},
    ).all_rules
    assert rule == AccessRule(
        frozenset({"GET", "HEAD"}),
        frozenset({"mtls"}),
        frozenset({"a", "b"}),
        frozenset({"admin"}),
        {"tenant": ("acme",), "department": ("a", "b"), "level": (3,), "address.verified": (True,)},
    )
    assert [type(value) for values in rule.claims.values() for value in values] == [str, str, str, int, bool]


def test_several_rules_keep_their_order() -> None:
    rules = read(
        rules=[
            {"methods": ["GET", "HEAD"], "scopes": ["orders:read"]},
            {"methods": ["POST", "PUT"], "roles": ["admin"], "scopes": ["orders:write"]},
            {"roles": ["root"]},
        ]
    ).all_rules
    assert [sorted(rule.methods) for rule in rules] == [["GET", "HEAD"], ["POST", "PUT"], []]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"scopes": []}, "expected a word, or several; write [..., ...], or leave the key out"),
        ({"scopes": None}, "expected a word, or several"),
        ({"scopes": ["orders:read orders:write"]}, "is not a scope or a role; write a list of words without spaces"),
        ({"roles": ['a"b']}, "is not a scope or a role"),
        ({"roles": ["ä"]}, "is not a scope or a role"),
        ({"roles": [7]}, "expected text, not the number 7"),
        ({"methods": ["TRACE"]}, "'TRACE' is not a method that a gateway forwards"),
        ({"proved_by": ["mtl"]}, "unknown proved_by 'mtl'; did you mean 'mtls'?"),
        ({"claims": {"tenant": []}}, "a claim without a value would never fit"),
        ({"claims": {"tenant": None}}, "a claim cannot be compared with nothing"),
        ({"claims": {"tenant": [["a"]]}}, "a claim cannot be compared with a list"),
        ({"claims": {"tenant": {"a": 1}}}, "a claim cannot be compared with a mapping"),
        ({"claims": {"level": float("nan")}}, "a claim cannot be compared with"),
        ({"rules": []}, "expected a rule, or several"),
        ({"rules": [{"scopes": ["a"]}], "roles": ["b"]}, "roles stands beside rules; move it into the rules"),
        ({"rules": [{"scopes": ["a"]}, {"methods": ["GET"]}]}, "rule 2 never decides"),
        ({"rules": [{"methods": ["GET"]}, {"methods": ["GET"], "roles": ["a"]}]}, "rule 2 never decides"),
        (
            {"rules": [{"methods": ["GET"]}, {"methods": ["PUT"]}, {"methods": ["GET", "PUT"]}, {}]},
            "rule 3 never decides: those before it take all of its methods; put the narrower rule first",
        ),
        ({"scope": ["a"]}, "unknown key 'scope'; did you mean 'scopes'?"),
        ({"rules": [{"any_scope": ["a"]}]}, "unknown key 'any_scope'"),
    ],
)
def test_mistakes_are_told(keys: dict[str, object], text: str) -> None:
    assert text in said(**keys)


def test_rules_that_share_a_method_are_fine_while_each_can_decide_something() -> None:
    assert len(read(rules=[{"methods": ["GET"]}, {"methods": ["GET", "PUT"]}, {}]).rules) == 3


def test_it_survives_being_sent_on() -> None:
    for config in (
        read(),
        read(scopes="a", claims={"t": [1, "1", True]}),
        read(rules=[{"methods": ["GET"]}, {"roles": ["admin"]}]),
    ):
        assert pickle.loads(pickle.dumps(config)) == config
        again = AuthorizeOptions.model_validate(json.loads(config.model_dump_json()))
        assert again.all_rules == config.all_rules
        assert repr(again.all_rules) == repr(config.all_rules), "1 and true are equal, and not the same"


def test_its_json_schema_can_be_made() -> None:
    schema = AuthorizeOptions.model_json_schema()
    assert set(schema["properties"]) == set(AuthorizeOptions.model_fields)


def found(names: dict[int, str], *before: str, plugins: tuple[str, ...] = ()) -> list[Finding]:
    return list(check_authorize(("routes", 0, "middleware"), names, before, plugins=plugins))


def test_an_authorize_without_auth_before_it_is_found() -> None:
    (finding,) = found({0: "rate_limit", 1: "authorize"})
    assert finding.path == ("routes", 0, "middleware", 1)
    assert "no auth before it" in finding.cause
    assert len(found({0: "authorize", 1: "auth", 2: "authorize"})) == 1, "behind it is too late"


@pytest.mark.parametrize(
    ("names", "before", "plugins"),
    [
        ({0: "auth", 1: "authorize"}, (), ()),
        ({0: "auth", 1: "cache", 2: "authorize", 3: "authorize"}, (), ()),
        ({0: "authorize"}, ("request_id", "auth"), ()),
        ({0: "sso", 1: "authorize"}, (), ("sso",)),
        ({1: "authorize"}, (), ()),
        ({}, (), ()),
    ],
    ids=["in the list", "further up", "for all requests", "a plugin", "behind an entry that is not valid", "no list"],
)
def test_where_somebody_proves_or_may_prove_who_is_calling_nothing_is_found(
    names: dict[int, str], before: tuple[str, ...], plugins: tuple[str, ...]
) -> None:
    assert found(names, *before, plugins=plugins) == []
