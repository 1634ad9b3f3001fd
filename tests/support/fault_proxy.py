"""A TCP proxy whose faults can be switched while it runs; it stands between a gateway and a real service.

    async with fault_proxy(service.port) as proxy:
        gateway = proxying(proxy.url)
        ...                                         # every byte passes
        await proxy.switch(Cut("body", "reset"))    # from the next bytes on, also on open connections
        await proxy.switch(Fault())                 # and all is well again

| fault | what the gateway meets |
|---|---|
| `Refuse()` | a closed port; open connections are reset, as when a process is killed |
| `Cut("connect", "reset" or "close")` | connections that are accepted and ended at once; open ones end, too |
| `Hang()` | a service that reads and never answers |
| `HalfOpen()` | a peer that has vanished without a FIN: it reads nothing and says nothing, not even goodbye |
| `SlowReader()` | a service that reads the head of a request and nothing behind it |
| `Cut("request" or "head" or "body", "reset" or "close")` | an end after the request, in the head, in the body |
| `Delay(seconds)` | an answer that comes late |
| `Trickle(size, every, begin)` | an answer in small pieces, from the head or from the body on |
| `Lie(by)` | an answer that announces so many bytes more than it has, or fewer |
| `Garbage("head" or "body")` | bytes that are not HTTP |

Rule: a fault is asked for every piece of bytes in either direction, and once for each connection.
What it does not pass on is lost. A proxy that is left or switched closes what a fault has frozen.

Bound: an answer is kept until the next one begins, so answers must be small. The next one begins
where bytes of a request follow bytes of an answer: an answer must not begin before its request ends.

What it does not do: lose packets. A vanished peer's kernel still acknowledges what fits its buffers.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

_PIECE = 65536
_LENGTH = re.compile(rb"(?i)(?<=\r\ncontent-length: )\d+")
_WITHIN_HEAD = 12
"""Bytes of an answer: enough for a status, not enough for a head."""
_WITHIN_BODY = 10
"""Bytes of a body that pass before a fault in the body; bodies must be longer."""
NOT_HTTP = b"\x16\x03\x01 this is not HTTP\r\n"


@dataclass(frozen=True)
class Side:
    """One end of a link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        if not self.writer.transport.is_closing():
            connection = self.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()


class Link:
    """One connection of the gateway, and the one to the service that belongs to it."""

    def __init__(self, gateway: Side, service: Side) -> None:
        self.gateway = gateway
        self.service = service
        self.answer = b""
        """What the service has said of the current answer, whether or not it was passed on."""
        self.frozen = False

    @property
    def head_end(self) -> int | None:
        """Where the body of the current answer begins; None while its head is not complete."""
        end = self.answer.find(b"\r\n\r\n")
        return end + 4 if end >= 0 else None

    def reset(self) -> None:
        """End it with an RST."""
        self.gateway.reset()
        self.service.reset()

    def close(self) -> None:
        """End it with a FIN, behind what was written."""
        self.gateway.writer.close()
        self.service.reset()

    async def freeze(self) -> None:
        """Read nothing more from the gateway, for ever, and do not even notice that it leaves."""
        self.frozen = True
        self.gateway.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Fault:
    """What happens on the way. This one: nothing, every byte passes."""

    def begins(self, link: Link) -> None:
        """The fault is switched on; `link` was open before."""

    async def accepted(self, link: Link) -> None:
        """A connection has been accepted."""

    async def up(self, link: Link, data: bytes) -> None:
        """Some of a request has come."""
        await link.service.send(data)

    async def down(self, link: Link, data: bytes) -> None:
        """Some of an answer has come, and been added to `link.answer`."""
        await link.gateway.send(data)


class Refuse(Fault):
    """The port is closed."""

    def begins(self, link: Link) -> None:
        link.reset()


class Hang(Fault):
    """Requests are read and never answered."""

    async def up(self, link: Link, data: bytes) -> None:
        pass


class HalfOpen(Fault):
    """The peer is gone, and nobody said so."""

    async def up(self, link: Link, data: bytes) -> None:
        await link.freeze()

    async def accepted(self, link: Link) -> None:
        await link.freeze()


class SlowReader(Fault):
    """The head of a request is read, and nothing behind it."""

    async def up(self, link: Link, data: bytes) -> None:
        await link.service.send(data[: data.find(b"\r\n\r\n") + 4])
        await link.freeze()


@dataclass(frozen=True)
class Cut(Fault):
    """The connection ends at a certain point, by an RST or a FIN."""

    where: Literal["connect", "request", "head", "body"]
    how: Literal["reset", "close"]

    def begins(self, link: Link) -> None:
        if self.where == "connect":
            self._end(link)

    async def accepted(self, link: Link) -> None:
        self.begins(link)

    async def up(self, link: Link, data: bytes) -> None:
        if self.where == "request":
            self._end(link)
        else:
            await link.service.send(data)

    async def down(self, link: Link, data: bytes) -> None:
        if self.where == "head":
            last = _WITHIN_HEAD
        elif link.head_end is not None:
            last = link.head_end + _WITHIN_BODY
        else:
            last = len(link.answer)
        before = len(link.answer) - len(data)
        await link.gateway.send(data[: max(0, last - before)])
        if len(link.answer) > last:
            self._end(link)

    def _end(self, link: Link) -> None:
        if self.how == "reset":
            link.reset()
        else:
            link.close()


@dataclass(frozen=True)
class Delay(Fault):
    """Every answer comes so many seconds late."""

    seconds: float

    async def down(self, link: Link, data: bytes) -> None:
        if len(link.answer) == len(data):
            await asyncio.sleep(self.seconds)
        await link.gateway.send(data)


@dataclass(frozen=True)
class Trickle(Fault):
    """Answers come in pieces of `size` bytes, one every so many seconds."""

    size: int
    every: float
    begin: Literal["head", "body"] = "head"

    async def down(self, link: Link, data: bytes) -> None:
        before = len(link.answer) - len(data)
        at_once = max(0, (link.head_end or len(link.answer)) - before) if self.begin == "body" else 0
        if at_once:
            await link.gateway.send(data[:at_once])
        for start in range(at_once, len(data), self.size):
            await asyncio.sleep(self.every)
            await link.gateway.send(data[start : start + self.size])


@dataclass(frozen=True)
class Lie(Fault):
    """Answers announce a Content-Length that is not theirs."""

    by: int
    """Bytes announced beyond those that come; fewer, if negative."""

    async def down(self, link: Link, data: bytes) -> None:
        before = len(link.answer) - len(data)
        if link.head_end is None:
            return  # a head is held until it is complete
        if link.head_end > before:
            data = _LENGTH.sub(lambda told: b"%d" % (int(told[0]) + self.by), link.answer, count=1)
        await link.gateway.send(data)


@dataclass(frozen=True)
class Garbage(Fault):
    """Something that is not HTTP comes in place of an answer, or of a body."""

    where: Literal["head", "body"]
    after: float = 0.05
    """Seconds between the head and the garbage, lest both are read at once and all of it refused."""

    async def down(self, link: Link, data: bytes) -> None:
        before = len(link.answer) - len(data)
        end = 0 if self.where == "head" else link.head_end
        if end is None:
            await link.gateway.send(data)
        elif before < end or not before:
            if end:
                await link.gateway.send(data[: end - before])
                await asyncio.sleep(self.after)
            await link.gateway.send(NOT_HTTP)


class FaultProxy:
    """One loopback port that leads to a service."""

    def __init__(self, service_port: int) -> None:
        self._service_port = service_port
        self._fault = Fault()
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self.accepted = 0
        """Connections so far."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """Connections of the gateway now."""
        return len(self._tasks)

    async def switch(self, fault: Fault) -> None:
        """Do this from now on, also to open connections."""
        self._fault = fault
        if isinstance(fault, Refuse):
            await self._stop_listening()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=self._socket)
        for link in self._links:
            if link.frozen:
                link.reset()
            fault.begins(link)

    async def close(self) -> None:
        """End everything."""
        await self._stop_listening()
        self._socket.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            # Bound and not listening, a port refuses, and nobody else can take it.
            self._socket = _bound(self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        gateway = Side(reader, writer)
        try:
            service = Side(*await asyncio.open_connection("127.0.0.1", self._service_port))
            await self._carry(Link(gateway, service))
        except (OSError, asyncio.CancelledError):
            pass  # no service there, or the proxy is closed
        finally:
            gateway.reset()
            self._tasks.discard(task)

    async def _carry(self, link: Link) -> None:
        """Pass bytes until one side ends."""
        self._links.add(link)
        up, down = asyncio.create_task(self._up(link)), asyncio.create_task(self._down(link))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            link.service.reset()
            self._links.discard(link)
            up.cancel()
            down.cancel()
            await asyncio.wait((up, down))

    async def _up(self, link: Link) -> None:
        with suppress(ConnectionError):
            await self._fault.accepted(link)
            while data := await link.gateway.reader.read(_PIECE):
                if link.answer:
                    link.answer = b""
                await self._fault.up(link, data)
            link.close()

    async def _down(self, link: Link) -> None:
        with suppress(ConnectionError):
            while data := await link.service.reader.read(_PIECE):
                link.answer += data
                await self._fault.down(link, data)
            link.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio: TCP_NODELAY
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


@asynccontextmanager
async def fault_proxy(service_port: int) -> AsyncIterator[FaultProxy]:
    """A proxy before the service on that port of 127.0.0.1; all is well until it is switched."""
    proxy = FaultProxy(service_port)
    await proxy.switch(Fault())
    try:
        yield proxy
    finally:
        await proxy.close()
