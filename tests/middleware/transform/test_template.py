"""Templates: a value is there as a whole or not at all, and nobody's words can break a header."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.request_facts import KNOWN, Seen
from api_gateway.middleware.transform.template import Template
from api_gateway.middleware.unknown_name import UnknownName

CLAIMS = {"tenant": "acme", "age": 5, "admin": True, "groups": ["a", "b"], "none": None, "odd": {1, 2}}
IDENTITY = Identity("alice", "jwt", "https://id", "shop", tier="gold", claims=CLAIMS)


def seen(target: str = "/users/5?page=2&q=a%20b&page=3", identity: Identity | None = IDENTITY) -> Seen:
    headers = Headers([("host", "api.example:8080"), ("x-tenant", "one"), ("x-tenant", "two")])
    context = RequestContext(peer_address="192.0.2.1", scheme="https")
    context.request_id, context.trace_id, context.route, context.identity = "r-1", "t-1", "/users/{id}", identity
    context.path_parameters = {"id": "5", "odd": "a b%\n"}
    return Seen(Request("GET", target, headers), context, ManualClock(wall=1_705_314_600.5))


def rendered(text: str, given: Seen | None = None) -> str | None:
    value = Template(text).render(given or seen())
    return None if value is None else value.decode("ascii")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain text", "plain text"),
        ("{request_id}", "r-1"),
        ("{trace_id}", "t-1"),
        ("{method} {path}", "GET /users/5"),
        ("{host}", "api.example:8080"),
        ("{scheme}", "https"),
        ("{client_ip}", "192.0.2.1"),
        ("{route}", "/users/{id}"),
        ("{path.id}", "5"),
        ("{path.odd}", "a%20b%25%0A"),
        ("{query.page}", "2"),
        ("{query.q}", "a%20b"),
        ("{header.X-Tenant}", "one, two"),
        ("{identity.subject}/{identity.consumer}/{identity.tier}", "alice/shop/gold"),
        ("{identity.issuer}", "https://id"),
        ("{identity.claims.tenant}", "acme"),
        ("{identity.claims.age} {identity.claims.admin}", "5 true"),
        ("{identity.claims.groups}", '["a","b"]'),
        ("{now}", "2024-01-15T10:30:00.500Z"),
        ("{{{request_id}}}", "{r-1}"),
        ("  a {request_id} ", "a r-1"),
    ],
)
def test_every_fact_can_be_said(text: str, value: str) -> None:
    assert rendered(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "{path.no}",
        "{query.no}",
        "{header.no}",
        "{identity.claims.no}",
        "{identity.claims.none}",
        "{identity.claims.odd}",
    ],
)
def test_a_missing_fact_leaves_no_value_at_all(text: str) -> None:
    assert rendered(text) is None
    assert rendered(f"a {{request_id}} {text}") is None


def test_without_an_identity_its_facts_are_missing() -> None:
    nobody = seen(identity=None)
    assert rendered("{identity.subject}", nobody) is None
    assert rendered("{identity.claims.tenant}", nobody) is None


def test_a_fact_that_is_empty_is_missing() -> None:
    assert rendered("{query.q}", seen("/users?q=")) is None
    assert rendered("{request_id}", Seen(Request("GET", "/"), RequestContext(), ManualClock())) is None


@pytest.mark.parametrize(
    "name", ["reqest_id", "", "path.", "query", "header.", "header.a b", "identity.claims.", "identity.key", "now.x"]
)
def test_an_unknown_name_is_an_error_that_knows_the_others(name: str) -> None:
    with pytest.raises(UnknownName) as caught:
        Template("{" + name + "}")
    assert caught.value.name == name
    assert caught.value.known == KNOWN


@pytest.mark.parametrize("text", ["{", "}", "a { b", "{a{b}}", "{request_id}}"])
def test_a_brace_that_stands_alone_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Template(text)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nX: y", "caf\u00e9", "\x00", "a\tb"])
def test_a_template_itself_is_visible_ascii(text: str) -> None:
    with pytest.raises(ConfigurationError, match="visible ASCII"):
        Template(text)


@given(st.text(min_size=1))
def test_what_was_decoded_comes_out_as_visible_ascii_and_can_be_undone(text: str) -> None:
    given_ = seen()
    given_.context.path_parameters = {"id": text}
    value = rendered("{path.id}", given_)
    assert value is not None
    assert all("!" <= character <= "~" for character in value)
    assert unquote(value) == text.encode("utf-8", "replace").decode()


@given(st.binary(min_size=1), st.text(min_size=1))
def test_no_raw_value_can_break_a_header(raw: bytes, path: str) -> None:
    request = Request.from_parts("GET", path, "", Headers.from_pairs([(b"x-a", raw)]), b"")
    given_ = Seen(request, RequestContext(), ManualClock())
    for text in ("{header.x-a}", "{path}"):
        value = rendered(text, given_)
        assert value is not None
        assert all(" " <= character <= "~" for character in value)


def test_latin_1_bytes_of_a_header_are_encoded_as_they_are() -> None:
    request = Request.from_parts("GET", "/", "", Headers.from_pairs([(b"x-a", "50% é".encode())]), b"")
    assert rendered("{header.x-a}", Seen(request, RequestContext(), ManualClock())) == "50% %C3%A9"
