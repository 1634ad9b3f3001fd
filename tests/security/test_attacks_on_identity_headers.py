"""Attacks on what services are told of the caller: each wants to write it itself."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gateway_server import serve
from tests.support.jwt_tokens import claims, token
from tests.support.raw_client import connect
from tests.support.security_rig import (
    ADMIN_KEY,
    CLIENT,
    IDENTITY,
    OPAQUE_SCOPELESS,
    PROXY,
    READER_KEY,
    Header,
    Rig,
    bearer,
    key,
)

SPELLINGS = [
    "X-User-Id",
    "x-user-id",
    "X-USER-ID",
    "x-UsEr-iD",
    "X_User_Id",
    "X-User_Id",
    "x_user-id",
    "X-User-Scopes",
    "X_USER_SCOPES",
    "X-User-Roles",
    "x-user_roles",
    "X-Consumer",
    "X_CONSUMER",
]


def mentions(gateway: Rig, name: str, text: str) -> bool:
    """Whether a service was sent `text` in anything that reads as an identity header."""
    return any(
        text in value
        for seen in gateway.services[name].seen
        for field, value in seen.request.headers
        if field.replace("_", "-") in IDENTITY
    )


@pytest.mark.parametrize("peer", [CLIENT, PROXY, ""])
@pytest.mark.parametrize("name", SPELLINGS)
async def test_identity_headers_from_outside_in_every_spelling(gateway: Rig, name: str, peer: str) -> None:
    """To be whoever the header says; a trusted proxy may not say it either."""
    forged = (name, "root")
    for target, service, headers in (
        ("/page", "open", [forged]),
        ("/optional/page", "optional", [forged]),
        ("/optional/page", "optional", [forged, key(READER_KEY)]),
        ("/orders/42", "orders", [forged, key(READER_KEY), forged]),
        ("/admin/users", "admin", [forged, bearer(token(claims(scope="admin")))]),
    ):
        assert (await gateway.ask(target, *headers, peer=peer)).status == 200
        assert not mentions(gateway, service, "root")


@pytest.mark.parametrize("name", SPELLINGS)
async def test_identity_headers_prove_nothing(gateway: Rig, name: str) -> None:
    """To be let in by the answer of the check, sent instead of what is to be checked."""
    answer = await gateway.ask("/admin/users", (name, "alice"), ("X-User-Scopes", "admin"), ("X-User-Roles", "boss"))
    assert (answer.status, gateway.reached()) == (401, 0)


async def test_scopes_from_outside_are_not_added_to_proved_ones(gateway: Rig) -> None:
    """To be oneself, with more rights."""
    for name in ("X-User-Scopes", "x_user_scopes", "X-User-Roles"):
        answer = await gateway.ask("/admin/users", key(READER_KEY), (name, "admin"))
        assert (answer.status, gateway.reached()) == (403, 0)
        assert (await gateway.ask("/orders/42", key(READER_KEY), (name, "admin"))).status == 200
        assert gateway.services["orders"].seen[-1].told() == {"x-user-id": ["bob"], "x-consumer": ["bob"]}


async def test_duplicates_of_identity_headers(gateway: Rig) -> None:
    """One that is removed, and one that is forgotten."""
    copies = [("X-User-Id", "root"), ("x-user-id", "root"), ("X-User-Id", ""), ("X_User_Id", "root")]
    assert (await gateway.ask("/orders/42", *copies, key(READER_KEY), *copies)).status == 200
    assert gateway.services["orders"].seen[-1].told()["x-user-id"] == ["bob"]


@pytest.mark.parametrize(
    "named", ["X-User-Id", "x-user-id, x-user-scopes, x-consumer", "close, X-USER-ID", "X-User-Id,X-User-Id"]
)
async def test_connection_names_an_identity_header(gateway: Rig, named: str) -> None:
    """To make the gateway strip, as a hop-by-hop header, what it says itself: the service sees an internal call."""
    for extra in ((), (("X-User-Id", "root"),)):
        assert (await gateway.ask("/orders/42", ("Connection", named), *extra, key(READER_KEY))).status == 200
        told = gateway.services["orders"].seen[-1].told()
        assert told == {"x-user-id": ["bob"], "x-consumer": ["bob"]}


@pytest.mark.parametrize("named", ["Authorization", "X-API-Key", "x-api-key, authorization"])
async def test_connection_names_the_credentials(gateway: Rig, named: str) -> None:
    """To have wrong credentials count as none where anonymous callers may pass: it is only oneself that one disarms."""
    answer = await gateway.ask("/admin/users", ("Connection", named), key(ADMIN_KEY))
    assert answer.status == (401 if "api" in named.lower() else 200)
    answer = await gateway.ask("/optional/page", ("Connection", "x-api-key"), key(ADMIN_KEY))
    assert answer.status == 200
    assert gateway.services["optional"].seen[-1].identity is None
    assert gateway.services["optional"].seen[-1].told() == {}


async def test_an_anonymous_caller_has_no_name(gateway: Rig) -> None:
    """To have one made up: by an old connection, a default, a header."""
    assert (await gateway.ask("/optional/page", key(ADMIN_KEY))).status == 200
    assert (await gateway.ask("/optional/page")).status == 200
    assert gateway.services["optional"].seen[-1].told() == {}


@pytest.mark.parametrize(
    "subject", ["a\r\nX-User-Scopes: admin", "root\x00", "é admin", "a, root", "a%0d%0aX-User-Id: root", "a;b=c", "  "]
)
async def test_a_subject_that_would_be_another_header(gateway: Rig, subject: str) -> None:
    """To be issued a name that ends its header and begins another."""
    answer = await gateway.ask("/orders/42", bearer(token(claims(sub=subject))))
    if answer.status == 200:
        (value,) = gateway.services["orders"].seen[-1].told()["x-user-id"]
        assert value.isascii()
        assert value.isprintable()
        assert " " not in value
        assert "x-user-scopes" not in gateway.services["orders"].seen[-1].told()
    else:
        assert (answer.status, gateway.reached("orders")) == (401, 0)


HOSTILE = {
    "a space behind the name": b"X-User-Id : root\r\n",
    "a tab behind the name": b"X-User-Id\t: root\r\n",
    "a folded line": b"X-A: 1\r\n X-User-Id: root\r\n",
    "a bare line feed": b"X-A: 1\nX-User-Id: root\r\n",
    "a bare carriage return": b"X-A: 1\rX-User-Id: root\r\n",
    "a space before the name": b"X-A: 1\r\n\tX-User-Id: root\r\n",
    "a NUL in the name": b"X-User-Id\x00: root\r\n",
    "a soft hyphen": b"X\xadUser\xadId: root\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_identity_header_that_only_some_parsers_see(running: Rig, name: str) -> None:
    """A header that the running does not recognise, and the service does."""
    async with serve(running.gateway) as server, connect(server.port) as client:
        key_line = f"X-API-Key: {READER_KEY}\r\n".encode()
        client.send(b"GET /orders/42 HTTP/1.1\r\nHost: a\r\n" + key_line + HOSTILE[name] + b"\r\n")
        assert (await client.response()).status == 400
    assert running.reached("orders") == 0


async def test_identity_headers_in_chunked_trailers(running: Rig) -> None:
    """Headers that come when all checks are done."""
    async with serve(running.gateway) as server, connect(server.port) as client:
        head = f"POST /orders/42 HTTP/1.1\r\nHost: a\r\nX-API-Key: {READER_KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
        trailers = f"X-User-Id: root\r\nX-User-Scopes: admin\r\nX-API-Key: {ADMIN_KEY}\r\n"
        client.send(f"{head}5\r\nhello\r\n0\r\n{trailers}\r\n".encode())
        assert (await client.response()).status == 200
        anonymous = "POST /admin/users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.send(f"{anonymous}0\r\n{trailers}\r\n".encode())
        assert (await client.response()).status == 401
    (seen,) = running.services["orders"].seen
    assert (seen.body, seen.told()["x-user-id"]) == (b"hello", ["bob"])
    assert running.reached() == 0


NAMES = st.sampled_from(SPELLINGS) | st.from_regex(r"\A[Xx][-_][Uu]ser[-_](id|Id|scopes|roles)\Z")
FORGED = st.lists(st.tuples(NAMES, st.sampled_from(["root", "admin", "", "bob, root"])), max_size=5)
CREDENTIALS = st.sampled_from(
    [(), (key(READER_KEY),), (bearer(OPAQUE_SCOPELESS),), (bearer(token(claims(sub="eve-1"))),)]
)


@settings(max_examples=150)
@given(before=FORGED, credentials=CREDENTIALS, after=FORGED, peer=st.sampled_from([CLIENT, PROXY]))
def test_a_service_is_told_exactly_what_was_proved(
    built: Rig, before: list[Header], credentials: tuple[Header, ...], after: list[Header], peer: str
) -> None:
    """Any mixture of the above."""
    gateway = built
    gateway.forget()
    answer = asyncio.run(gateway.ask("/optional/x", *before, *credentials, *after, peer=peer))
    (seen,) = gateway.services["optional"].seen
    assert answer.status == 200
    expected = {"x-user-id": [seen.identity.subject]} if seen.identity else {}
    assert {name: values for name, values in seen.told().items() if name != "x-consumer"} == expected
    assert bool(seen.identity) == bool(credentials)
