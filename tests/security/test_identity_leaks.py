"""Leaks of identity from one request to another, and 401 and 403 that must not be confused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.support.gateway_server import on_both_loops, serve
from tests.support.jwt_tokens import claims, token
from tests.support.raw_client import RawClient, connect
from tests.support.security_rig import (
    ADMIN_KEY,
    DISABLED_KEY,
    EXPIRED_KEY,
    OPAQUE,
    OPAQUE_SCOPELESS,
    READER_KEY,
    UNKNOWN_KEY,
    Header,
    Rig,
    bearer,
    key,
    methods,
    rig,
)

CALLERS: dict[str, str] = {
    "alice": f"X-API-Key: {ADMIN_KEY}\r\n",
    "bob": f"X-API-Key: {READER_KEY}\r\n",
    "opaque-admin": f"Authorization: Bearer {OPAQUE}\r\n",
    "opaque-reader": f"Authorization: Bearer {OPAQUE_SCOPELESS}\r\n",
    **{f"user-{n}": f"Authorization: Bearer {token(claims(sub=f'user-{n}'))}\r\n" for n in range(6)},
    "": "",
}
WRONG = (f"X-API-Key: {UNKNOWN_KEY}\r\n", "Authorization: Bearer x.y.z\r\n", f"X-API-Key: {EXPIRED_KEY}\r\n")


def line(path: str, credentials: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{credentials}\r\n".encode()


async def told(client: RawClient) -> str:
    """Whom the service says it was told, for the next answer."""
    response = await client.response()
    assert response.status == 200
    names: list[str] = response.json()["told"].get("x-user-id", [""])
    assert len(names) == 1
    return names[0]


@on_both_loops
async def test_the_next_request_of_a_connection_is_anonymous(tmp_path: Path) -> None:
    """To come behind somebody else on a connection that a proxy shares, and be taken for them."""
    async with rig(tmp_path) as gateway, serve(gateway.gateway) as server, connect(server.port) as client:
        for name, credentials in CALLERS.items():
            client.send(line("/optional/a", credentials))
            assert await told(client) == name
            client.send(line("/optional/b", ""))
            assert await told(client) == ""
            client.send(line("/admin/users", ""))
            assert (await client.response()).status == 401
    assert gateway.reached() == 0


@on_both_loops
async def test_pipelined_requests_keep_their_own_identity(tmp_path: Path) -> None:
    """The same, with the second request already there while the first is answered."""
    async with rig(tmp_path) as gateway, serve(gateway.gateway) as server, connect(server.port) as client:
        names = [name for one in CALLERS for name in (one, "")]
        client.send(b"".join(line("/optional/a", CALLERS[name]) for name in names))
        assert [await told(client) for _ in names] == names
        client.send(line("/admin/1", CALLERS["alice"]) + line("/admin/2", "") + line("/admin/3", CALLERS["bob"]))
        assert [(await client.response()).status for _ in range(3)] == [200, 401, 403]
    assert [seen.request.path for seen in gateway.services["admin"].seen] == ["/admin/1"]


async def test_a_request_behind_a_refused_one_is_not_refused_and_not_known(running: Rig) -> None:
    """To leave something behind for the next: a refusal, or a name."""
    async with serve(running.gateway) as server, connect(server.port) as client:
        for wrong in WRONG:
            client.send(line("/optional/a", wrong) + line("/optional/b", "") + line("/optional/c", CALLERS["bob"]))
            assert (await client.response()).status == 401
            assert [await told(client), await told(client)] == ["", "bob"]


@pytest.mark.parametrize("seed", range(3))
async def test_interleaved_connections_never_mix_their_callers(tmp_path: Path, seed: int) -> None:
    """To be answered while somebody else's request is between two steps: 12 connections, 40 requests each."""
    random = Random(seed)

    async def converse(port: int) -> int:
        async with connect(port) as client:
            right = 0
            for _ in range(10):
                asked = [random.choice([*CALLERS]) for _ in range(4)]
                for name in asked:
                    client.send(line("/optional/a", CALLERS[name]))
                    await asyncio.sleep(0)
                right += sum([await told(client) == name for name in asked])
            return right

    async with rig(tmp_path) as made, serve(made.gateway) as server:
        made.services["optional"].turns = made.provider.turns = lambda: random.randrange(5)
        assert await asyncio.gather(*(converse(server.port) for _ in range(12))) == [40] * 12


NONE: tuple[Header, ...] = ()
MATRIX: dict[str, tuple[tuple[Header, ...], bool, bool]] = {
    # Credentials, whether they prove somebody, whether that one has the scope.
    "no credentials": (NONE, False, False),
    "a wrong key": ((key(UNKNOWN_KEY),), False, False),
    "an expired key": ((key(EXPIRED_KEY),), False, False),
    "a disabled key": ((key(DISABLED_KEY),), False, False),
    "a wrong token": ((bearer("x.y.z"),), False, False),
    "an unknown token": ((bearer("nobody-knows-this"),), False, False),
    "an expired token": ((bearer(token(claims(scope="admin", exp=1_700_000_000))),), False, False),
    "a key without the scope": ((key(READER_KEY),), True, False),
    "a token without the scope": ((bearer(token(claims())),), True, False),
    "an opaque token without the scope": ((bearer(OPAQUE_SCOPELESS),), True, False),
    "a key with the scope": ((key(ADMIN_KEY),), True, True),
    "a token with the scope": ((bearer(token(claims(scope="admin"))),), True, True),
    "an opaque token with the scope": ((bearer(OPAQUE),), True, True),
}


@pytest.mark.parametrize("authorized", [False, True], ids=["without authorize", "with authorize"])
@pytest.mark.parametrize("optional", [False, True], ids=["required", "optional"])
@pytest.mark.parametrize("name", MATRIX)
async def test_401_and_403_are_never_confused(tmp_path: Path, name: str, optional: bool, authorized: bool) -> None:
    """401: prove who you are. 403: we know, and you may not. A mix-up tells an attacker which guess was right."""
    credentials, proved, scoped = MATRIX[name]
    layers: list[object] = [{"auth": {"any_of": methods(tmp_path), "optional": optional}}]
    if authorized:
        layers.append({"authorize": {"scopes": ["admin"]}})
    async with rig(tmp_path, routes=[{"path": "/*", "service": "admin", "middleware": layers}]) as gateway:
        answer = await gateway.ask("/x", *credentials)
    if not proved and not (optional and not credentials and not authorized):
        expected = 401
    elif proved and authorized and not scoped:
        expected = 403
    else:
        expected = 200
    assert answer.status == expected
    assert gateway.reached() == (expected == 200)
    if expected == 401:
        assert [line.split()[0] for line in answer.challenges] == ["ApiKey", "Bearer"]
        token_was_wrong = bool(credentials) and credentials[0][0] == "Authorization"
        assert any('error="invalid_token"' in line for line in answer.challenges) == token_was_wrong
    if expected == 403:
        token_was_shown = credentials[0][0] == "Authorization"
        assert any('error="insufficient_scope"' in line for line in answer.challenges) == token_was_shown
        assert all("invalid_token" not in line for line in answer.challenges)
