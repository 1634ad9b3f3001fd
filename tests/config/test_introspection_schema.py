"""Introspection in the configuration: what is read, and what is refused."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from api_gateway.config.introspection_schema import IntrospectionConfig
from api_gateway.config.problems import Refusal

SECRET = "s3cret-of-the-gateway"
BASE = {"url": "https://id.example/introspect", "client_id": "gw", "client_secret": SECRET}


def config(**keys: object) -> IntrospectionConfig:
    merged = {**BASE, **keys}
    return IntrospectionConfig.model_validate({name: value for name, value in merged.items() if value is not None})


def refusal(**keys: object) -> str:
    with pytest.raises(ValidationError) as error:
        config(**keys)
    (line,) = error.value.errors()
    found = line.get("ctx", {}).get("error", line["type"])
    assert not isinstance(found, Refusal) or SECRET not in str(found)
    return ": ".join([*map(str, line["loc"]), str(found)])


def test_the_contracts_example_is_read() -> None:
    one = config(cache="60s", when_down={"read": "admit_cached", "write": "refuse"})
    assert one == config(cache=60, when_down={})
    assert (one.cache, one.negative_cache, one.stale_for, one.timeout) == (60.0, 5.0, 600.0, 2.0)
    assert (one.when_down.read, one.when_down.write) == ("admit_cached", "refuse")
    assert (one.origin, one.target, one.name) == ("https://id.example", "/introspect", "https://id.example")
    assert one.client_secret.get_secret_value() == SECRET
    assert one.circuit_breaker.statuses == frozenset(range(201, 600))


def test_a_configured_service_may_be_asked_instead() -> None:
    one = config(url=None, service="identity", path="/oauth/introspect?realm=a")
    assert (one.origin, one.target, one.name) == (None, "/oauth/introspect?realm=a", "identity")
    assert config(url=None, service="identity").target == "/introspect"


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://127.0.0.1:9000/introspect", "http://127.0.0.1:9000", "/introspect"),
        ("http://127.8.8.8/i", "http://127.8.8.8", "/i"),
        ("http://[::1]:9000/i", "http://[::1]:9000", "/i"),
        ("http://localhost:9000/i?a=b", "http://localhost:9000", "/i?a=b"),
        ("https://id.example:8443", "https://id.example:8443", "/"),
    ],
)
def test_the_address_is_an_origin_and_a_path(url: str, origin: str, target: str) -> None:
    assert (config(url=url).origin, config(url=url).target) == (origin, target)


REMEDY = "write https://host/path; http is for this machine only, such as http://127.0.0.1:9000/path"
PATH_REMEDY = "write a path such as /introspect, with a query if need be"
OPEN = "what is sent to {} could be read and changed by everybody between; " + REMEDY
ONLY = "url: the provider's address is not https://host/path and nothing else; " + REMEDY


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://id.example/i", "url: " + OPEN.format("id.example")),
        ("http://10.0.0.1/i", "url: " + OPEN.format("10.0.0.1")),
        ("http://localhost.evil.example/i", "url: " + OPEN.format("localhost.evil.example")),
        ("http://127.0.0.1.evil.example/i", "url: " + OPEN.format("127.0.0.1.evil.example")),
        (f"https://gw:{SECRET}@id.example/i", ONLY),
        ("http://127.0.0.1@evil.example/i", ONLY),
        ("https://id.example/i#x", ONLY),
        ("ftp://id.example/i", ONLY),
        ("https:///i", ONLY),
        ("https://id.example:0/i", ONLY),
        ("id.example/i", ONLY),
        ("https://id.example:port/i", f"url: the provider's address is not a URL; {REMEDY}"),
        ("https://id example/i", f"url: the provider's address does not name a host; {REMEDY}"),
        ("https://id.example/a/../i",
         "url: '/a/../i' is not a path in canonical form; write a path such as /introspect, with a query if need be"),
    ],
)  # fmt: skip
def test_an_address_that_would_leak_or_mislead_is_refused(url: str, said: str) -> None:
    assert refusal(url=url) == said


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": None}, "there is nobody to ask; add url: https://..., or service: and path:"),
        ({"service": "a"}, "url says where to ask, and so does service; remove url, or remove service"),
        ({"path": "/i"}, "url says where to ask, and so does path; remove url, or remove path"),
        (
            {"url": None, "service": "a", "circuit_breaker": {}},
            "a service has a circuit breaker of its own; move this to services.a",
        ),
        (
            {"when_down": {"read": "refuse"}, "stale_for": "5m"},
            "nobody is admitted while the provider is down, so stale_for is of no use; remove it",
        ),
        (
            {"cache": 0, "stale_for": 0},
            "nobody is remembered, so nobody can be admitted as known; give stale_for, or refuse both",
        ),
        (
            {"when_down": {"read": "admit"}},
            "when_down: read: 'admit' would let in whoever shows any text as a token while the provider is down; "
            "write admit_cached, for callers known from before, or refuse",
        ),
        ({"when_down": {"write": "yes"}}, "when_down: write: unknown policy 'yes'; write admit_cached or refuse"),
        ({"when_down": {"reads": "refuse"}}, "when_down: reads: unknown key 'reads'; did you mean 'read'?"),
        ({"cache": "2h"}, "cache: '2h' is out of range here; write from 0 to 1h"),
        ({"negative_cache": "6m"}, "negative_cache: '6m' is out of range here; write from 0 to 5m"),
        ({"stale_for": "25h"}, "stale_for: '25h' is out of range here; write from 0 to 24h"),
        ({"timeout": "0s"}, "timeout: '0s' is out of range here; write from 10ms to 30s"),
        ({"url": None, "service": "a", "path": "introspect"},
         f"path: 'introspect' is not a path in canonical form; {PATH_REMEDY}"),
        ({"audience": []}, "audience: expected an audience, or several; write a name, or a list of them"),
        ({"client_secret": 5},
         "client_secret: expected a secret, as text; write ${NAME} and set the environment variable NAME"),
        ({"client_secrets": "x"}, "client_secrets: unknown key 'client_secrets'; did you mean 'client_secret'?"),
        ({"client_id": None}, "client_id: missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    assert refusal(**keys) == said


def test_numbers_and_lists_are_read_as_text_too() -> None:
    one = config(max_cached="5", audience="orders", leeway="0s", cache="500ms")
    assert (one.max_cached, one.audience, one.leeway, one.cache) == (5, ("orders",), 0.0, 0.5)
    assert config(audience=["a", "b"]).audience == ("a", "b")


def test_the_secret_is_never_shown_and_still_reaches_another_process() -> None:
    one = config()
    assert SECRET not in f"{one!r} {one} {one.model_dump()} {one.model_dump_json()}"
    assert pickle.loads(pickle.dumps(one)).client_secret.get_secret_value() == SECRET


def test_it_has_a_json_schema() -> None:
    schema = IntrospectionConfig.model_json_schema()
    assert schema["required"] == ["client_id", "client_secret"]
    assert schema["properties"]["cache"]["type"] == ["string", "number"]
