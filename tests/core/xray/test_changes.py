"""Changes: told by comparing, with no word from whoever made them."""

from __future__ import annotations

from api_gateway import Request, RequestContext, Response
from api_gateway.core.client_certificate import ClientCertificate
from api_gateway.core.identity import Identity
from api_gateway.core.xray.changes import changed, facts_of, header_changes, request_changes, response_changes


def test_a_request_that_was_passed_on_as_it_is_has_no_changes() -> None:
    request = Request("GET", "/a", {"host": "h"})
    assert request_changes(request, request, ()) == {}
    assert request_changes(request, Request("GET", "/a", {"host": "h"}), ()) == {}


def test_every_change_of_a_request_is_told() -> None:
    before = Request("GET", "/a?x=1", {"host": "h", "x-old": "1"})
    after = Request("POST", "/b", {"host": "h", "x-new": "2"}, b"body")
    assert request_changes(before, after, ()) == {
        "method": "GET -> POST",
        "target": "/a?x=1 -> /b",
        "body": "another one",
        "headers removed": ["x-old: 1"],
        "headers added": ["x-new: 2"],
    }


def test_one_of_two_equal_fields_that_went_is_told_once() -> None:
    assert header_changes([(b"a", b"1"), (b"a", b"1")], [(b"a", b"1")]) == {"headers removed": ["a: 1"]}


def test_credentials_are_hidden_by_name_and_where_they_are_withheld() -> None:
    pairs = [(b"authorization", b"Basic xyz"), (b"set-cookie", b"s=xyz"), (b"x-mine", b"xyz")]
    assert header_changes(pairs, [], {b"x-mine"}) == {
        "headers removed": ["authorization: ...", "set-cookie: ...", "x-mine: ..."]
    }


def test_every_change_of_a_response_is_told() -> None:
    response = Response(503, {"x-b": "1"}, b"longer")
    assert response_changes((200, [], b"short"), response) == {
        "status": "200 -> 503",
        "body": "5 bytes -> 6 bytes",
        "headers added": ["x-b: 1"],
    }


def test_facts_of_a_context_are_for_people() -> None:
    context = RequestContext(1_000_000_000, "10.0.0.1")
    before = facts_of(context)
    context.deadline = 4_000_000_000
    context.upstream_duration = 41_200_000
    context.identity = Identity("ada", "jwt", claims={"secret": "x"})
    context.client_certificate = ClientCertificate("CN=ada", "ada", "CN=ca", "1", (), (), 0.0, "f")
    context.path_parameters = {"id": "7"}
    context.withheld = frozenset({b"x-key"})
    context.tried = ("http://a",)
    assert changed(before, facts_of(context)) == {
        "deadline": "3 s",
        "upstream_duration": "41.2 ms",
        "identity": "ada by jwt",
        "client_certificate": "CN=ada",
        "path_parameters": {"id": "7"},
        "withheld": ["x-key"],
        "tried": ["http://a"],
    }


def test_every_slot_of_the_context_has_a_form_for_people() -> None:
    facts = facts_of(RequestContext(0, "10.0.0.1", "https", "1.1"))
    assert set(facts) == set(RequestContext.__slots__) - {"started"}
