"""JWTs in the configuration."""

from __future__ import annotations

import json
import pickle

import pytest
from pydantic import ValidationError

from api_gateway.config.jwt_schema import JwtConfig
from api_gateway.config.load import _Document

SECRET = "not so secret, but long enough for sixty-four bytes of HS512, I hope"
USUAL: dict[str, object] = {"issuer": "https://id.example", "audience": "orders", "algorithms": ["RS256", "ES256"]}
URL = "https://id.example/jwks"


def config(**keys: object) -> JwtConfig:
    return JwtConfig.model_validate({**USUAL, **keys})


def said(keys: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        JwtConfig.model_validate(keys)
    return " | ".join(str(line.get("ctx", {}).get("error", line["msg"])) for line in caught.value.errors())


def test_the_contracts_example_is_read_by_the_loader() -> None:
    text = """
jwt: {issuer: https://id.example, audience: orders, algorithms: [RS256, ES256],
      jwks_url: https://id.example/jwks, leeway: 30s}
"""
    document = _Document("gateway.yaml", text)
    assert document.problems == []
    assert isinstance(document.value, dict)
    jwt = JwtConfig.model_validate(document.value["jwt"])
    assert (jwt.issuer, jwt.audience, jwt.algorithms) == ("https://id.example", ("orders",), ("RS256", "ES256"))
    assert (jwt.jwks_url, jwt.leeway, jwt.require_exp, jwt.typ) == (URL, 30.0, True, None)
    assert (jwt.max_age, jwt.refetch_every, jwt.stale_for, jwt.remember) == (600.0, 10.0, 86_400.0, 10_000)


@pytest.mark.parametrize(
    "keys",
    [
        {"jwks_url": URL},
        {"jwks_url": URL + "?policy=b2c"},
        {"jwks_url": "http://127.0.0.1:9000/jwks"},
        {"jwks_url": "http://127.8.8.8/jwks"},
        {"jwks_url": "http://[::1]:9000/jwks"},
        {"jwks_url": "http://localhost/jwks"},
        {"jwks_url": "https://id.example"},
        {"jwks_url": "https://10.0.0.1/jwks"},
        {"service": "identity", "jwks_path": "/.well-known/jwks.json"},
        {"service": "identity", "jwks_path": "/jwks?v=1", "max_age": "1h"},
        {"jwks_file": "keys.json"},
        {"jwks_file": "keys.json", "algorithms": ["HS256", "RS256"]},
        {"secret": SECRET, "algorithms": ["HS256", "HS512"]},
        {"secret": SECRET, "algorithms": "HS256"},
        {"jwks_url": URL, "audience": ["orders", "shop", "orders"]},
        {"jwks_url": URL, "algorithms": ["EdDSA", "Ed25519", "PS512", "ES512"]},
        {"jwks_url": URL, "leeway": 0, "typ": "at+jwt", "roles_claim": "realm_access.roles", "stale_for": 0},
    ],
)
def test_each_place_for_keys(keys: dict[str, object]) -> None:
    jwt = config(**keys)
    assert (jwt.origin is None) == (jwt.jwks_url is None)


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        (URL, "https://id.example", "/jwks"),
        ("https://id.example:8443", "https://id.example:8443", "/"),
        ("http://[::1]:9000/a/b?c=d&e", "http://[::1]:9000", "/a/b?c=d&e"),
    ],
)
def test_a_url_is_an_origin_and_a_target(url: str, origin: str, target: str) -> None:
    jwt = config(jwks_url=url)
    assert (jwt.origin, jwt.target) == (origin, target)


def test_a_service_has_a_target() -> None:
    jwt = config(service="identity", jwks_path="/jwks?v=1")
    assert (jwt.origin, jwt.target) == (None, "/jwks?v=1")


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "nothing says where the keys are; give jwks_url"),
        ({"jwks_url": URL, "jwks_file": "k"}, "jwks_url and jwks_file are different places for keys"),
        ({"jwks_url": URL, "secret": SECRET}, "jwks_url and secret are different places for keys"),
        ({"jwks_url": URL, "service": "i", "jwks_path": "/j"}, "jwks_url and service are different places"),
        ({"service": "identity"}, "service and jwks_path belong together"),
        ({"jwks_url": URL, "jwks_path": "/j"}, "service and jwks_path belong together"),
        ({"jwks_url": URL, "algorithms": ["HS256"]}, "HS256 needs a shared secret, and published keys are none"),
        ({"jwks_url": URL, "algorithms": ["RS256", "HS256"]}, "HS256 needs a shared secret"),
        ({"service": "i", "jwks_path": "/j", "algorithms": ["HS256"]}, "HS256 needs a shared secret"),
        ({"secret": SECRET}, "ES256 cannot be verified with a secret; write HS256"),
        ({"secret": SECRET, "algorithms": ["HS256", "RS256"]}, "RS256 cannot be verified with a secret"),
        ({"secret": "x" * 31, "algorithms": ["HS256"]}, "the secret is shorter than 32 bytes"),
        ({"secret": "x" * 63, "algorithms": ["HS256", "HS512"]}, "the secret is shorter than 64 bytes"),
        ({"secret": "\udcff" * 64, "algorithms": ["HS256"]}, "the secret is not text in UTF-8"),
        ({"secret": 5, "algorithms": ["HS256"]}, "expected a secret"),
        ({"jwks_url": URL, "algorithms": ["none"]}, "a token without a signature proves nothing"),
        ({"jwks_url": URL, "algorithms": ["RS256", "NoNe"]}, "a token without a signature proves nothing"),
        ({"jwks_url": URL, "algorithms": ["RS265"]}, "unknown algorithm 'RS265'; did you mean 'RS256'?"),
        ({"jwks_url": URL, "algorithms": ["ES256K"]}, "unknown algorithm 'ES256K'"),
        ({"jwks_url": URL, "algorithms": []}, "expected one or several"),
        ({"jwks_url": URL, "audience": []}, "expected one or several"),
        ({"jwks_url": URL, "audience": [""]}, "expected text, found none"),
        ({"jwks_url": URL, "audience": None}, "expected one or several"),
        ({"jwks_url": URL, "issuer": ""}, "expected text, found none"),
        ({"jwks_url": URL, "issuer": "x" * 513}, "the issuer is too long"),
        ({"jwks_url": URL, "issuer": "a\nb"}, "the issuer is too long, or holds a control character"),
        ({"jwks_url": "http://id.example/jwks"}, "could be read and changed by everybody between"),
        ({"jwks_url": "http://127.0.0.1.evil.example/jwks"}, "could be read and changed by everybody between"),
        ({"jwks_url": "http://localhost.evil.example/jwks"}, "could be read and changed by everybody between"),
        ({"jwks_url": "file:///etc/passwd"}, "is not https://host/path and nothing else"),
        ({"jwks_url": "ftp://id.example/jwks"}, "is not https://host/path and nothing else"),
        ({"jwks_url": "id.example/jwks"}, "is not https://host/path and nothing else"),
        ({"jwks_url": "https://id.example/jwks#x"}, "is not https://host/path and nothing else"),
        ({"jwks_url": "https://id.example/a b"}, "is not a path in canonical form"),
        ({"jwks_url": "https://id.example/\u00e9"}, "is not a path in canonical form"),
        ({"jwks_url": "https://id.example/a/../b"}, "is not a path in canonical form"),
        ({"jwks_url": "https://id.example:99999/jwks"}, "the provider's address is not a URL"),
        ({"jwks_url": "https://[::1/jwks"}, "the provider's address is not a URL"),
        ({"service": "i", "jwks_path": "jwks"}, "'jwks' is not a path"),
        ({"service": "i", "jwks_path": "/a/../b"}, "is not a path in canonical form"),
        ({"service": "i", "jwks_path": "/a\r\nx: y"}, "is not a path"),
        ({"jwks_url": URL, "leeway": "6m"}, "a leeway of '6m' would accept tokens long after their end"),
        ({"jwks_url": URL, "typ": "logout+jwt"}, "'logout+jwt' is not a type of access tokens"),
        ({"jwks_url": URL, "realm": 'a\tb"'}, "a realm must be printable ASCII"),
        ({"jwks_url": URL, "remember": 0}, "count 0 is out of range"),
        ({"jwks_url": URL, "max_age": 0}, "the duration is zero"),
        ({"jwks_file": "k", "max_age": "5m"}, "max_age is for keys that are fetched, and these are not"),
        ({"jwks_url": URL, "jwks_uri": URL}, "unknown key 'jwks_uri'; did you mean 'jwks_url'?"),
    ],
)
def test_mistakes_are_told(keys: dict[str, object], text: str) -> None:
    answer = said({**USUAL, **keys})
    assert text in answer
    assert SECRET not in answer
    assert "xxxx" not in answer.replace("x" * 513, "")


@pytest.mark.parametrize("missing", list(USUAL))
def test_issuer_audience_and_algorithms_are_never_guessed(missing: str) -> None:
    assert "Field required" in said(
        {name: value for name, value in {**USUAL, "jwks_url": URL}.items() if name != missing}
    )


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    answer = said({**USUAL, "jwks_url": "https://gw:hunter2@id.example/jwks"})
    assert "is not https://host/path and nothing else" in answer
    assert "hunter2" not in answer


def test_the_secret_is_never_shown() -> None:
    jwt = config(secret=SECRET, algorithms=["HS256"])
    assert jwt.secret is not None
    assert jwt.secret.get_secret_value() == SECRET
    assert SECRET not in f"{jwt!r} {jwt} {jwt.model_dump()} {jwt.model_dump_json()}"


def test_it_survives_being_sent_on() -> None:
    jwt = config(jwks_url=URL, typ="at+jwt", leeway="10s")
    assert pickle.loads(pickle.dumps(jwt)) == jwt
    assert JwtConfig.model_validate(json.loads(jwt.model_dump_json(exclude_unset=True))) == jwt


def test_its_json_schema_can_be_made() -> None:
    schema = JwtConfig.model_json_schema()
    assert set(schema["properties"]) == set(JwtConfig.model_fields)
    assert set(schema["required"]) == {"issuer", "audience", "algorithms"}
