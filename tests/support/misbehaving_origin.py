"""An origin that misbehaves on demand: the last segment of the path names what it does wrong.

    async with misbehaving_origin() as origin:
        await transport.send(origin.url, Request("GET", "/reset-in-head"), RequestContext())
        await origin.until(lambda: origin.open == 0)

`NAMES` lists every behaviour. Connections and requests are counted, so that a test can tell reuse
from a new connection, and uploads are kept as they came.

Rule: after a malformed answer the origin keeps its side open. Whoever closes then is the client
under test.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, cast

HEAD = b"HTTP/1.1 200 OK\r\n"
STOLEN = HEAD + b"Content-Length: 6\r\n\r\nstolen"
"""A whole answer that nobody asked for."""

_CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_TWO = b"Content-Length: 2\r\n\r\nok"


def _with(header: bytes) -> bytes:
    return HEAD + header + b"\r\n" + _TWO


CANNED: dict[str, bytes] = {
    # In order.
    "chunked": _CHUNKED + b"2\r\nok\r\n3;name=value\r\nay!\r\n0\r\nx-trailer: dropped\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + HEAD + _TWO,
    "not-modified": b'HTTP/1.1 304 Not Modified\r\netag: "1"\r\nContent-Length: 2\r\n\r\n',
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "http-1.0-keep-alive": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + _TWO,
    "cookie": HEAD + b"Set-Cookie: session=secret\r\n" + _TWO,
    "not-really-gzip": HEAD + b"Content-Encoding: gzip\r\n" + _TWO,
    "hop-by-hop": HEAD + b"Connection: x-private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\n" + _TWO,
    # Framing that leaves a doubt.
    "two-lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "two-equal-lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "length-list": HEAD + b"Content-Length: 2, 2\r\n\r\nok",
    "length-plus": HEAD + b"Content-Length: +2\r\n\r\nok",
    "length-negative": HEAD + b"Content-Length: -2\r\n\r\nok",
    "length-overflow": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "length-empty": HEAD + b"Content-Length:\r\n\r\nok",
    "both-framings": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "both-framings-reversed": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding-gzip": HEAD + b"Transfer-Encoding: gzip\r\n\r\nok",
    "coding-gzip-chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding-chunked-twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding-on-http-1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk-size-word": _CHUNKED + b"two\r\nok\r\n0\r\n\r\n",
    "chunk-size-negative": _CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "chunk-size-0x": _CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "chunk-size-overflow": _CHUNKED + b"fffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "chunk-size-empty": _CHUNKED + b"\r\nok\r\n0\r\n\r\n",
    "chunk-without-end": _CHUNKED + b"2\r\nok0\r\n\r\n",
    "chunk-bare-lf": _CHUNKED + b"2\nok\n0\n\n",
    # More bytes than there should be.
    "surplus": HEAD + b"Content-Length: 2\r\n\r\nok" + STOLEN,
    "surplus-garbage": HEAD + b"Content-Length: 2\r\n\r\nok, and then some",
    "surplus-after-chunked": _CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + STOLEN,
    "surplus-after-204": b"HTTP/1.1 204 No Content\r\n\r\n" + STOLEN,
    "surplus-after-304": b"HTTP/1.1 304 Not Modified\r\n\r\n" + STOLEN,
    "body-on-204": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    "length-on-204": b"HTTP/1.1 204 No Content\r\nContent-Length: 75\r\n\r\n",
    "chunked-on-204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "body-on-304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
    "head-with-body": HEAD + b"Content-Length: 2\r\n\r\nok",
    "head-with-chunk": _CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "head-with-half-a-chunk-size": _CHUNKED + b"2;na",
    # Odd statuses and interim answers.
    "interim-storm": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "interim-with-length": b"HTTP/1.1 150 Odd\r\nContent-Length: 4\r\n\r\nevil" + HEAD + _TWO,
    "interim-with-coding": b"HTTP/1.1 150 Odd\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEAD + _TWO,
    "switching-protocols": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "switching-without-a-word": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "status-too-long": b"HTTP/1.1 2000 OK\r\n" + _TWO,
    "status-too-short": b"HTTP/1.1 20 OK\r\n" + _TWO,
    "status-negative": b"HTTP/1.1 -20 OK\r\n" + _TWO,
    **{f"status-{code}": b"HTTP/1.1 %b Odd\r\n" % code.encode() + _TWO for code in ("000", "099", "600", "999")},
    # Not HTTP, or not this one.
    "garbage": bytes(range(256)),
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "http-0.9": b"<html>no head at all</html>",
    "version-0.9": b"HTTP/0.9 200 OK\r\n" + _TWO,
    "version-2": b"HTTP/2.0 200 OK\r\nConnection: keep-alive\r\n" + _TWO,
    "version-3": b"HTTP/3.0 200 OK\r\n" + _TWO,
    "a-request": b"GET / HTTP/1.1\r\nHost: you\r\n\r\n",
    # Headers.
    "nul-in-header": _with(b"X-Odd: a\x00b"),
    "control-in-header": _with(b"X-Odd: a\x01b"),
    "cr-in-header": _with(b"X-Odd: a\rSet-Cookie: session=stolen"),
    "bare-lf": HEAD + b"X-Odd: a\nContent-Length: 2\n\nok",
    "obs-fold": _with(b"X-Odd: a\r\n  b"),
    "folded-length": HEAD + b"Content-Length: 2\r\n 0\r\n\r\nok",
    "space-before-colon": _with(b"X-Odd : a"),
    "space-before-name": _with(b" X-Odd: a"),
    "no-colon": _with(b"X-Odd"),
    "bad-name": _with(b"X(Odd): a"),
    "huge-header": _with(b"X-Large: " + b"a" * 200_000),
    "many-headers": HEAD + b"X-One: 1\r\n" * 1000 + _TWO,
    "tiny-headers": HEAD + b"a:\r\n" * 15_000 + _TWO,
}
"""Answers sent in one piece; the connection stays open."""


@dataclass
class ReceivedRequest:
    """A request as it arrived."""

    connection: int
    """Number of the connection it came by, from 1."""
    method: str
    target: str
    headers: list[tuple[str, str]]
    """Lower-case names, in order."""
    body: bytearray = field(default_factory=bytearray)
    """What has come of the upload, decoded."""

    @property
    def name(self) -> str:
        """The behaviour it asks for: the last segment of the path."""
        return self.target.partition("?")[0].rpartition("/")[2]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Origin:
    """What tests look at."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        """Accepted so far."""
        self.open = 0
        """Open now."""
        self.requests: list[ReceivedRequest] = []
        self.written = 0
        """Body bytes that `flood` has got rid of."""
        self.stalled = 0
        """How often a writer here waited long in vain for its reader."""
        self.go = asyncio.Event()
        """What `on-command` behaviours wait for."""
        self._watchers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until `condition` holds; it is asked again at every event here."""
        if condition():
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append((condition, reached))
        async with asyncio.timeout(seconds):
            await reached

    def changed(self) -> None:
        for condition, reached in self._watchers:
            if not reached.done() and condition():
                reached.set_result(None)


class Exchange:
    """One request and the means to answer it, well or badly."""

    def __init__(
        self, origin: Origin, request: ReceivedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.origin = origin
        self.request = request
        self.reader = reader
        self.writer = writer
        self.spoil_next: Behaviour | None = None
        """What happens to the next request on this connection, whatever it asks for."""
        announced = {name for name, _ in request.headers}
        self.in_step = announced.isdisjoint({"content-length", "transfer-encoding"})
        """Whether what comes next is the next request."""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def upload(self) -> AsyncIterator[bytes]:
        """The request's body, as it comes."""
        length = self.request.header("content-length")
        if self.request.header("transfer-encoding") == "chunked":
            while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
                yield self._kept(await self.reader.readexactly(size))
                assert await self.reader.readexactly(2) == b"\r\n", "a chunk ends with CRLF"
            assert await self.reader.readexactly(2) == b"\r\n", "no trailers were announced"
        elif length is not None:
            left = int(length)
            while left:
                piece = await self.reader.read(min(left, 65536))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(piece)
                yield self._kept(piece)
        self.in_step = True

    async def skip_upload(self) -> None:
        if not self.in_step:
            async for _ in self.upload():
                pass

    async def command(self) -> None:
        """Wait for the test's word (`origin.go`), or for the client to leave."""
        go = asyncio.ensure_future(self.origin.go.wait())
        left = asyncio.ensure_future(self.reader.read())
        try:
            await asyncio.wait([go, left], return_when=asyncio.FIRST_COMPLETED)
            if not go.done():
                raise ConnectionResetError("the client left")
            self.origin.go.clear()
        finally:
            go.cancel()
            left.cancel()
            await asyncio.wait([go, left])

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()

    def _kept(self, piece: bytes) -> bytes:
        self.request.body += piece
        self.origin.changed()
        return piece


Behaviour: TypeAlias = Callable[[Exchange], Awaitable[None]]


# Good manners.


async def _ok(exchange: Exchange) -> None:
    await exchange.skip_upload()
    request = exchange.request
    body = b"" if request.method == "HEAD" else f"{request.method} {request.target}".encode()
    length = len(f"{request.method} {request.target}")
    await exchange.send(HEAD + b"Content-Length: %d\r\nX-Connection: %d\r\n\r\n" % (length, request.connection) + body)


async def _connection_close(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Connection: close\r\n" + _TWO)


async def _http_1_0(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    exchange.close()


async def _close_delimited(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"\r\nall there ")
    await exchange.send(b"is")
    exchange.close()


async def _echo(exchange: Exchange) -> None:
    await exchange.send(_CHUNKED)
    async for piece in exchange.upload():
        exchange.request.body.clear()
        await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    await exchange.send(b"0\r\n\r\n")


async def _events(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(3):
        await exchange.send(b"b\r\ndata: %03d\n\n\r\n" % number)
        await exchange.command()
    await exchange.send(b"0\r\n\r\n")


# Cut, slow, silent.


async def _reset_before_head(exchange: Exchange) -> None:
    exchange.reset()


async def _close_before_head(exchange: Exchange) -> None:
    exchange.close()


async def _reset_in_head(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Le")
    exchange.reset()


async def _close_in_head(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Le")
    exchange.close()


async def _drip_head(exchange: Exchange) -> None:
    await exchange.send(HEAD)
    while True:
        await exchange.send(b"a")
        await asyncio.sleep(0.02)


async def _drip_interim(exchange: Exchange) -> None:
    while True:
        await exchange.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.06)


async def _never_answers(exchange: Exchange) -> None:
    await exchange.skip_upload()
    await exchange.reader.read()


async def _never_reads(exchange: Exchange) -> None:
    cast(asyncio.Transport, exchange.writer.transport).pause_reading()
    await asyncio.Event().wait()


async def _half_closes_and_never_reads(exchange: Exchange) -> None:
    cast(asyncio.Transport, exchange.writer.transport).pause_reading()
    exchange.writer.write_eof()
    await asyncio.Event().wait()


async def _short_body(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Length: 10\r\n\r\nhalf.")
    exchange.close()


async def _reset_in_body(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Length: 10\r\n\r\nhalf.")
    await exchange.command()
    exchange.reset()


async def _reset_in_close_delimited(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"\r\nhalf.")
    await exchange.command()
    exchange.reset()


async def _close_in_chunk(exchange: Exchange) -> None:
    await exchange.send(_CHUNKED + b"5\r\nhalf.\r\n5\r\nha")
    exchange.close()


async def _close_before_last_chunk(exchange: Exchange) -> None:
    await exchange.send(_CHUNKED + b"5\r\nhalf.\r\n")
    exchange.close()


async def _stall_in_body(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Length: 10\r\n\r\nhalf.")
    await exchange.reader.read()


async def _body_on_command(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Length: 10\r\n\r\nhalf.")
    await exchange.command()
    await exchange.send(b"other")


async def _head_on_command(exchange: Exchange) -> None:
    await exchange.command()
    await _ok(exchange)


async def _head_then_upload_then_body(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Length: 2\r\n\r\n")
    await exchange.skip_upload()
    await exchange.send(b"ok")


# Endless.


async def _endless_headers(exchange: Exchange) -> None:
    await exchange.send(HEAD)
    while True:
        await exchange.send(b"X-One: 1\r\n" * 100)


async def _endless_trailers(exchange: Exchange) -> None:
    await exchange.send(_CHUNKED + b"2\r\nok\r\n0\r\n")
    while True:
        await exchange.send(b"X-One: 1\r\n" * 100)


async def _endless_chunk_extension(exchange: Exchange) -> None:
    await exchange.send(_CHUNKED + b"2;name=")
    while True:
        await exchange.send(b"a" * 1000)


async def _flood(exchange: Exchange) -> None:
    """64 MiB, or what of it finds a reader."""
    await exchange.send(HEAD + b"Content-Length: %d\r\n\r\n" % (1024 * 65536))
    for _ in range(1024):
        exchange.writer.write(bytes(65536))
        drained = asyncio.ensure_future(exchange.writer.drain())
        try:
            while not (await asyncio.wait([drained], timeout=0.15))[0]:
                exchange.origin.stalled += 1
                exchange.origin.changed()
            await drained
        finally:
            drained.cancel()
        exchange.origin.written += 65536
        exchange.origin.changed()


async def _one_byte_chunks(exchange: Exchange) -> None:
    await exchange.send(_CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n")


# Uploads.


async def _early_answer(exchange: Exchange) -> None:
    """Refuses without reading the upload, and leaves the connection as it is."""
    await exchange.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno.")
    await _never_reads(exchange)


async def _early_answer_half(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\n\r\nno.")
    await _never_reads(exchange)


async def _early_answer_and_end(exchange: Exchange) -> None:
    """Refuses, says so with FIN, and reads on for politeness' sake."""
    await exchange.send(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno.")
    exchange.writer.write_eof()
    await exchange.skip_upload()


# Later.


async def _surplus_later(exchange: Exchange) -> None:
    """The extra answer goes out in a segment of its own, right behind the one that was asked for."""
    await exchange.send(HEAD + b"Content-Length: 2\r\n\r\nok")
    await exchange.send(STOLEN)


async def _surplus_on_command(exchange: Exchange) -> None:
    await exchange.send(HEAD + b"Content-Length: 2\r\n\r\nok")
    await exchange.command()
    await exchange.send(STOLEN)


async def _close_when_idle(exchange: Exchange) -> None:
    await _ok(exchange)
    exchange.close()


def _spoiling(spoil: Behaviour) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        exchange.spoil_next = spoil
        await _ok(exchange)

    return behave


BEHAVIOURS: dict[str, Behaviour] = {
    "connection-close": _connection_close,
    "http-1.0": _http_1_0,
    "close-delimited": _close_delimited,
    "echo": _echo,
    "events": _events,
    "reset-before-head": _reset_before_head,
    "close-before-head": _close_before_head,
    "reset-in-head": _reset_in_head,
    "close-in-head": _close_in_head,
    "drip-head": _drip_head,
    "drip-interim": _drip_interim,
    "never-answers": _never_answers,
    "never-reads": _never_reads,
    "half-closes-and-never-reads": _half_closes_and_never_reads,
    "short-body": _short_body,
    "reset-in-body": _reset_in_body,
    "reset-in-close-delimited": _reset_in_close_delimited,
    "close-in-chunk": _close_in_chunk,
    "close-before-last-chunk": _close_before_last_chunk,
    "stall-in-body": _stall_in_body,
    "body-on-command": _body_on_command,
    "head-on-command": _head_on_command,
    "head-then-upload-then-body": _head_then_upload_then_body,
    "endless-headers": _endless_headers,
    "endless-trailers": _endless_trailers,
    "endless-chunk-extension": _endless_chunk_extension,
    "flood": _flood,
    "one-byte-chunks": _one_byte_chunks,
    "early-answer": _early_answer,
    "early-answer-half": _early_answer_half,
    "early-answer-and-end": _early_answer_and_end,
    "surplus-later": _surplus_later,
    "surplus-on-command": _surplus_on_command,
    "close-when-idle": _close_when_idle,
    "close-on-next": _spoiling(_close_before_head),
    "reset-on-next": _spoiling(_reset_before_head),
    "half-a-head-on-next": _spoiling(_close_in_head),
    "silent-on-next": _spoiling(_never_answers),
}
"""Everything that takes more than one piece of bytes. Any name not listed is answered properly."""

NAMES = (*CANNED, *BEHAVIOURS)


@asynccontextmanager
async def misbehaving_origin(tls: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    """An origin on a free port of 127.0.0.1, with `tls` by https."""
    origin = Origin()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        running.add(task)
        origin.connections += 1
        origin.open += 1
        origin.changed()
        try:
            await _converse(origin, origin.connections, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            running.discard(task)
            origin.open -= 1
            origin.changed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=2**18)
    origin.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield origin
    finally:
        server.close()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        await server.wait_closed()


async def _converse(
    origin: Origin, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    spoil: Behaviour | None = None
    while not writer.is_closing():
        request = _parsed(connection, await reader.readuntil(b"\r\n\r\n"))
        origin.requests.append(request)
        origin.changed()
        exchange = Exchange(origin, request, reader, writer)
        canned = CANNED.get(request.name)
        if spoil is not None:
            await spoil(exchange)
        elif canned is not None:
            await exchange.skip_upload()
            await exchange.send(canned)
        else:
            await BEHAVIOURS.get(request.name, _ok)(exchange)
        spoil = exchange.spoil_next
        if not exchange.in_step:
            return
    await writer.wait_closed()


def _parsed(connection: int, head: bytes) -> ReceivedRequest:
    line, *fields = head.decode("latin-1")[:-4].split("\r\n")
    method, target, version = line.split(" ")
    if version != "HTTP/1.1":
        raise ConnectionAbortedError(f"not a request of HTTP/1.1: {line}")
    pairs = (item.split(":", 1) for item in fields)
    return ReceivedRequest(connection, method, target, [(name.lower(), value.strip()) for name, value in pairs])
