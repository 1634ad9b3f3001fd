"""Request smuggling against authentication: two requests where the gateway sees one, or the other way round.

Each pair travels on one connection to a gateway with authentication, which asks an origin over real sockets. The
inputs are those of `tests/server/test_edge_hostile.py`, with the credentials of alice in the first request and an
anonymous second one behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from api_gateway import build_gateway
from api_gateway.core.asgi import AsgiApplication
from api_gateway.core.clock import ManualClock, SystemClock
from tests.server.test_edge_hostile import ACCEPTED, CLOSED, OPEN
from tests.support.gateway_server import serve
from tests.support.jwt_tokens import NOW
from tests.support.raw_client import DEADLINE, RawClient, RawResponse, connect
from tests.support.security_rig import ADMIN_KEY, READER_KEY, Recorder, key_file

ALICE = f"X-API-Key: {ADMIN_KEY}\r\n".encode()
BOB = f"X-API-Key: {READER_KEY}\r\n".encode()
SMUGGLED = b"GET /admin/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Pair:
    """A gateway with authentication on a socket, and what reached the origin behind it."""

    port: int
    origin: Recorder

    def seen(self) -> list[tuple[str, list[str]]]:
        """The path of each request at the origin, and who that was told is calling."""
        return [(seen.request.path, seen.told().get("x-user-id", [])) for seen in self.origin.seen]


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    origin = Recorder("origin")
    server_of_its_own = AsgiApplication(origin, SystemClock(), nullcontext())  # a gateway would strip the identity
    async with serve(server_of_its_own) as behind:
        config = {
            "limits": {"max_body": 1000},
            "services": {"origin": {"endpoints": [behind.url]}},
            "middleware": [{"auth": {"api_key": {"keys_file": str(key_file(folder))}}}],
            "routes": [{"path": "/*", "service": "origin"}],
        }
        async with serve(build_gateway(config, clock=ManualClock(wall=NOW))) as server:
            yield Pair(server.port, origin)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Pair]:
    async with pair(tmp_path) as made:
        yield made


def alices(raw: bytes) -> bytes:
    """The request with the credentials of alice, where it has a place for them."""
    start, line_end, rest = raw.partition(b"HTTP/1.1\r\n")
    return start + line_end + ALICE + rest if line_end else raw


async def answers(client: RawClient) -> list[RawResponse]:
    """All that come before the connection ends or falls silent."""
    found: list[RawResponse] = []
    with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        while True:
            found.append(await client.response(seconds=DEADLINE if not found else 0.05))
    return found


@pytest.mark.parametrize("name", CLOSED)
async def test_nothing_behind_an_unreadable_request_is_a_request(gateway: Pair, name: str) -> None:
    """A first request whose end only one of two parsers sees, and a second one that comes out of it as alice's."""
    raw, status = CLOSED[name]
    async with connect(gateway.port) as client:
        client.send(alices(raw) + SMUGGLED)
        found = await answers(client)
    # 401 where the place for credentials could not be read, 400 where what follows spoils a chunk.
    assert [response.status for response in found] in ([status], [400], [401])
    assert gateway.seen() == []


@pytest.mark.parametrize("name", OPEN)
async def test_what_follows_a_refused_request_has_to_prove_itself(gateway: Pair, name: str) -> None:
    """To use a connection on which somebody else was refused, or known."""
    raw, status = OPEN[name]
    async with connect(gateway.port) as client:
        client.send(alices(raw) + SMUGGLED)
        found = await answers(client)
    assert [response.status for response in found] == [status, 401]
    assert gateway.seen() == []


@pytest.mark.parametrize("name", ACCEPTED)
async def test_what_follows_a_served_request_has_to_prove_itself(gateway: Pair, name: str) -> None:
    """A request that is served in one reading, and might be two in another."""
    case = ACCEPTED[name]
    async with connect(gateway.port) as client:
        client.send(alices(case.raw) + SMUGGLED)
        found = await answers(client)
    assert [response.status for response in found] == [200, 401]
    ((path, told),) = gateway.seen()
    assert (path, told) == (case.target.partition("?")[0], ["alice"])
    assert gateway.origin.seen[0].body == case.body


INNER = b"GET /admin/inner HTTP/1.1\r\nHost: a\r\nX-User-Id: root\r\nX-API-Key: stolen\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
BODIES: dict[str, bytes] = {
    "counted": b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
    "chunked": CHUNKED + b"%x\r\n" % len(INNER) + INNER + b"\r\n0\r\n\r\n",
    "a chunk for each byte": CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in INNER) + b"0\r\n\r\n",
    "behind what looks like the last chunk": CHUNKED + b"%x\r\n0\r\n\r\n" % (len(INNER) + 5) + INNER + b"\r\n0\r\n\r\n",
    "with an extension that looks like a length": CHUNKED + b"%x;0\r\n" % len(INNER) + INNER + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_a_request_stays_a_body(gateway: Pair, name: str) -> None:
    """To have the body of one's own request read by the service as the next caller's request."""
    async with connect(gateway.port) as alice, connect(gateway.port) as bob:
        for _ in range(2):
            alice.send(b"POST /upload HTTP/1.1\r\nHost: a\r\n" + ALICE + BODIES[name])
            assert (await alice.response()).status == 200
            bob.send(b"GET /mine HTTP/1.1\r\nHost: a\r\n" + BOB + b"\r\n")
            answer = await bob.response()
            assert answer.json()["target"] == "/mine"
            assert answer.json()["told"]["x-user-id"] == ["bob"]
    assert gateway.seen() == [("/upload", ["alice"]), ("/mine", ["bob"])] * 2
    assert all(seen.body.endswith(INNER) for seen in gateway.origin.seen[::2])


async def test_a_body_that_is_never_read_is_not_the_next_request(gateway: Pair) -> None:
    """A request that is refused before its body is read: what stands in that must not be served."""
    async with connect(gateway.port) as client:
        inner = INNER.replace(b"X-API-Key: stolen\r\n", ALICE)
        client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner)
        assert [response.status for response in await answers(client)] == [401]
    assert gateway.seen() == []


async def test_half_a_request_is_not_completed_by_the_next_client(gateway: Pair) -> None:
    """To leave the beginning of a request, and have the next caller's credentials complete it."""
    async with connect(gateway.port) as attacker, connect(gateway.port) as alice:
        attacker.send(b"POST /stolen HTTP/1.1\r\nHost: a\r\n" + BOB + b"Content-Length: 500\r\n\r\nbegin:")
        await asyncio.sleep(0)
        alice.send(b"GET /hers HTTP/1.1\r\nHost: a\r\n" + ALICE + b"\r\n")
        assert (await alice.response()).json()["told"]["x-user-id"] == ["alice"]
        attacker.reset()
    assert ("/stolen", ["alice"]) not in gateway.seen()
    assert not any(ADMIN_KEY.encode() in seen.body for seen in gateway.origin.seen)


async def test_an_upgrade_is_no_tunnel_past_authentication(gateway: Pair) -> None:
    """To be let in once, and then speak to the service directly."""
    for protocol in (b"h2c", b"websocket"):
        async with connect(gateway.port) as client:
            asked = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
            client.send(asked + ALICE + b"\r\n" + SMUGGLED)
            assert [response.status for response in await answers(client)] == [200]
    assert gateway.seen() == [("/socket", ["alice"])] * 2
