"""No byte of one answer becomes part of another."""

from __future__ import annotations

from random import Random

from broken import Connection

from api_gateway import Response
from api_gateway.core.upstream_errors import UpstreamProtocolError

STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhacked!"


def answer(body: bytes, *, length: int | None = None, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body) if length is None else length, body)


def exchange(connection: Connection, *pieces: bytes, method: str = "GET") -> Response:
    connection.begin(method)
    for piece in pieces:
        response = connection.receive(piece)
        if response is not None:
            return response
    raise AssertionError(f"there is no answer after {pieces}")


def test_a_connection_in_order_is_used_again() -> None:
    connection = Connection()
    for body in (b"one", b"", b"x" * 10_000):
        wire = answer(body)
        assert connection.usable, "the exchange before was in perfect order: this connection must be kept"
        assert exchange(connection, wire[:20], wire[20:]).body == body
    exchange(connection, answer(b"", length=99), method="HEAD")
    exchange(connection, answer(b"", length=99, status=304))
    assert connection.usable, "answers to HEAD, and 304, have no body, whatever length they announce: all is in order"


def test_nobody_can_use_it_while_an_answer_is_awaited() -> None:
    connection = Connection()
    connection.begin("GET")
    connection.receive(answer(b"one")[:-1])
    assert not connection.usable, "its answer is not complete: a second request now would get the rest of it"


def test_surplus_behind_an_answer_ends_the_connection() -> None:
    for surplus in (STOLEN, b"\xc3\xab", b"\r\n", b" "):
        connection = Connection()
        exchange(connection, answer(b"Zo") + surplus)
        if connection.usable:
            try:
                got = exchange(connection, answer(b"for Bob")).body
            except UpstreamProtocolError as error:
                got = str(error).encode()
            raise AssertionError(f"{surplus!r} stood behind an answer; the next client on the connection got {got!r}")


def test_throwing_the_surplus_away_is_not_enough() -> None:
    connection = Connection()
    exchange(connection, answer(b"for Alice") + STOLEN[:5])
    assert not connection.usable, "the first bytes of a surplus came with an answer; the rest will meet the next client"


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    for method, wire in (("GET", answer(b"one")), ("HEAD", answer(b"", length=7))):
        connection = Connection()
        exchange(connection, wire, method=method)
        connection.receive(b"hacked!")
        assert not connection.usable, f"after a {method} 7 bytes came that belong to no request; it is used again"


def test_where_the_length_is_in_doubt_there_is_no_next_exchange() -> None:
    connection = Connection()
    exchange(connection, answer(b"", length=7, status=204))
    assert not connection.usable, "a 204 that announces a body may well send it"
    for lengths in (b"3\r\nContent-Length: 5", b"+3", b"0x3", b"3, 5", b"-1"):
        connection = Connection()
        try:
            exchange(connection, b"HTTP/1.1 200 OK\r\nContent-Length: " + lengths + b"\r\n\r\nabcde")
        except UpstreamProtocolError:
            assert not connection.usable, "after an error nobody knows where the next answer begins"
        except ValueError as error:
            raise AssertionError(f"Content-Length {lengths!r} made it fail with {error!r}") from None
        else:
            raise AssertionError(f"Content-Length {lengths!r}: two readers would disagree on where this answer ends")


def test_whatever_a_service_does_everybody_gets_their_own_answer() -> None:
    random = Random(20)
    connection, opened = Connection(), 1
    for client in range(4_000):
        if not connection.usable:
            connection, opened = Connection(), opened + 1
        body = b"for client %d" % client
        method = random.choice(["GET", "GET", "HEAD"])
        wire = answer(body if method == "GET" else b"", length=len(body))
        surplus = random.choice([STOLEN, STOLEN[:9], b"\r\n", b"x", body]) if random.random() < 0.2 else b""
        cuts = sorted(random.randrange(len(wire) + 1) for _ in range(3))
        begins = [0, *cuts]
        pieces = [wire[begin:end] for begin, end in zip(begins, [*cuts, len(wire)], strict=True)]
        with_it, later = (surplus, b"") if random.random() < 0.5 else (b"", surplus)
        pieces[-1] += with_it
        try:
            response = exchange(connection, *[piece for piece in pieces if piece], method=method)
        except UpstreamProtocolError as error:
            raise AssertionError(f"client {client} got an error, for what was sent to another: {error}") from None
        expected = body if method == "GET" else b""
        assert response.body == expected, f"client {client} got {response.body!r}"
        if later:
            connection.receive(later)
    assert opened < 1_200, f"a fifth of 4000 exchanges was not in order; {opened} connections are too many for that"
