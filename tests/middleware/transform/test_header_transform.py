"""Header transform: remove, rename, set, add; and what no configuration may touch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.canonical_request import HOP_BY_HOP, IDENTITY_HEADERS
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.headers import Headers, field_line, message_head
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.request_facts import Seen
from api_gateway.middleware.transform.header_transform import HeaderTransform
from api_gateway.middleware.transform.template import Template

Pairs = Sequence[tuple[str, str]]


def made(
    *,
    set: Mapping[str, str] | None = None,  # noqa: A002  # it is the word of the configuration
    add: Mapping[str, str] | None = None,
    remove: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    on_request: bool = True,
) -> HeaderTransform:
    return HeaderTransform(
        on_request=on_request,
        set={name: Template(value) for name, value in (set or {}).items()},
        add={name: Template(value) for name, value in (add or {}).items()},
        remove=remove,
        rename=rename,
    )


def apply(transform: HeaderTransform, pairs: Pairs) -> list[tuple[str, str]]:
    headers = Headers(pairs)
    context = RequestContext()
    context.request_id = "r-1"
    before = [*headers.pairs]
    changed = transform.apply(headers, Seen(Request("GET", "/", headers), context, ManualClock()))
    assert headers.pairs == before, "the old headers are somebody else's"
    return [*changed.items()]


def test_set_replaces_every_line_and_goes_to_the_end() -> None:
    given_ = [("x-request-id", "a"), ("accept", "*/*"), ("x-request-id", "b")]
    assert apply(made(set={"X-Request-Id": "{request_id}"}), given_) == [("accept", "*/*"), ("x-request-id", "r-1")]


def test_set_without_a_value_removes_what_the_client_claims() -> None:
    assert apply(made(set={"X-Tenant": "{identity.claims.tenant}"}), [("x-tenant", "forged"), ("a", "b")]) == [
        ("a", "b")
    ]


def test_add_leaves_what_is_there() -> None:
    assert apply(made(add={"Via": "1.1 gateway"}), [("via", "1.1 x")]) == [("via", "1.1 x"), ("via", "1.1 gateway")]
    assert apply(made(add={"X-A": "{query.none}"}), [("x-a", "1")]) == [("x-a", "1")]


def test_remove_takes_exact_names_and_beginnings() -> None:
    given_ = [("x-internal-node", "1"), ("x-internal", "2"), ("server", "3"), ("servers", "4"), ("x-internal-", "5")]
    assert apply(made(remove=["X-Internal-*", "Server"]), given_) == [("x-internal", "2"), ("servers", "4")]


def test_a_beginning_never_removes_what_frames_or_routes_the_message() -> None:
    given_ = [
        ("host", "a"),
        ("content-length", "1"),
        ("content-encoding", "gzip"),
        ("content-type", "a/b"),
        ("hop", ""),
    ]
    assert apply(made(remove=["content-*", "ho*"]), given_) == given_[:3]
    assert apply(made(remove=["ho*"], on_request=False), given_) == given_[1:4]


def test_rename_moves_every_line_and_takes_the_place_of_the_other() -> None:
    given_ = [("x-new", "forged"), ("x-old", "1"), ("a", "b"), ("x-old", "2")]
    assert apply(made(rename={"X-Old": "X-New"}), given_) == [("x-new", "1"), ("a", "b"), ("x-new", "2")]


def test_rename_of_what_is_not_there_changes_nothing() -> None:
    assert apply(made(rename={"X-Old": "X-New"}), [("x-new", "1")]) == [("x-new", "1")]


def test_two_names_can_change_places() -> None:
    assert apply(made(rename={"A": "B", "B": "A"}), [("a", "1"), ("b", "2")]) == [("b", "1"), ("a", "2")]


def test_a_renamed_header_can_be_set_anew() -> None:
    assert apply(made(rename={"A": "B"}, set={"A": "new"}), [("a", "1")]) == [("b", "1"), ("a", "new")]
    assert apply(made(rename={"A": "B"}, set={"A": "new"}), [("b", "1")]) == [("b", "1"), ("a", "new")]


def test_what_is_removed_is_still_a_value() -> None:
    assert apply(made(remove=["x-a"], set={"X-B": "{header.x-a}"}), [("x-a", "1")]) == [("x-b", "1")]


@pytest.mark.parametrize(
    "name", sorted({name.decode() for name in HOP_BY_HOP} | {"Content-Length", "content-encoding"})
)
@pytest.mark.parametrize("on_request", [True, False])
def test_what_frames_a_message_is_refused_everywhere(name: str, on_request: bool) -> None:
    with pytest.raises(ConfigurationError, match="the gateway's to write"):
        made(set={name: "x"}, on_request=on_request)
    with pytest.raises(ConfigurationError):
        made(add={name: "x"}, on_request=on_request)
    with pytest.raises(ConfigurationError):
        made(remove=[name], on_request=on_request)
    with pytest.raises(ConfigurationError):
        made(rename={"x-a": name}, on_request=on_request)
    with pytest.raises(ConfigurationError):
        made(rename={name: "x-a"}, on_request=on_request)


@pytest.mark.parametrize("name", sorted(name.decode() for name in IDENTITY_HEADERS))
def test_who_is_calling_is_not_a_configurations_to_say(name: str) -> None:
    with pytest.raises(ConfigurationError, match="who is calling"):
        made(set={name: "x"})
    with pytest.raises(ConfigurationError, match="who is calling"):
        made(add={name.title(): "x"})
    with pytest.raises(ConfigurationError, match="who is calling"):
        made(rename={"x-a": name})
    assert apply(made(remove=[name]), [(name, "alice")]) == []
    assert apply(made(rename={name: "x-account"}), [(name, "alice")]) == [("x-account", "alice")]
    assert apply(made(set={name: "x"}, on_request=False), []) == [(name, "x")]


def test_host_is_the_routes_to_say() -> None:
    with pytest.raises(ConfigurationError, match="write 'host' at the route"):
        made(set={"Host": "x"})
    with pytest.raises(ConfigurationError):
        made(remove=["host"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"remove": ["*"]}, "'*' removes every header"),
        ({"remove": ["a b"]}, "not a header name"),
        ({"set": {"x*": "y"}}, "not a header name"),
        ({"set": {"": "y"}}, "not a header name"),
        ({"set": {"X-A": "1", "x-a": "2"}}, "x-a is there twice"),
        ({"add": {"X-A": "1", "x-a": "2"}}, "x-a is there twice"),
        ({"rename": {"a": "c", "b": "C"}}, "c is there twice"),
        ({"set": {"a": "1"}, "remove": ["A"]}, "a is removed and set"),
        ({"set": {"a": "1"}, "rename": {"b": "a"}}, "a is set, and another"),
        ({"remove": ["a"], "rename": {"A": "b"}}, "a is removed and renamed"),
        ({"rename": {"A": "a"}}, "renamed to itself"),
    ],
)
def test_contradictions_are_errors(changes: dict[str, dict[str, str]], text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(text)):
        made(**changes)  # type: ignore[arg-type]  # of several kinds


def _joined(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b", ".join([value for name, value in pairs if name == b"x-a"])


@given(st.lists(st.tuples(st.sampled_from([b"x-a", b"x-b", b"x-c", b"host"]), st.binary(max_size=20))))
def test_whatever_a_value_is_made_of_the_head_can_be_written(pairs: list[tuple[bytes, bytes]]) -> None:
    transform = made(set={"X-Out": "<{header.x-a}>"}, remove=["x-a", "x-b*", "x-c"])
    headers = Headers.from_pairs(pairs)
    changed = transform.apply(headers, Seen(Request("GET", "/", headers), RequestContext(), ManualClock()))
    added = [pair for pair in changed.pairs if pair[0] != b"host"]
    message_head([field_line(pair) for pair in added])
    assert [name for name, _ in added] == ([b"x-out"] if _joined(pairs) else [])
