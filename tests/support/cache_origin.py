"""An origin on a real socket that follows a script: what it answers, in order, and a record of what it was asked.

    async with CacheOrigin() as origin:
        script = origin.plays("freshness-max-age", Answer("cache-control: max-age=60"))
        ...                                   # GET /freshness-max-age, through whatever is under test
        assert len(script.received) == 1

A script is found by the first segment of the path. When its answers are used up, the last one is given again. Fields
are written one a line; `{0}`, `{-60}` and `{+60}` stand for HTTP dates, so many seconds from now, `{-60 rfc850}` and
`{-60 asctime}` for the old forms.

Rule: as a service does, it answers 304 where the request's validators are those of the answer it would give.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Self

Framing = Literal["length", "chunked", "close", "cut", "cut-chunked", "none"]
"""How a body ends: `cut` announces more than comes, `close` ends with the connection, `none` says nothing of a body."""

_DATE = re.compile(r"\{([+-]?\d+)(?: (rfc850|asctime))?\}")
_FORMS = {
    None: "%a, %d %b %Y %H:%M:%S GMT",
    "rfc850": "%A, %d-%b-%y %H:%M:%S GMT",
    "asctime": "%a %b %e %H:%M:%S %Y",
}

Fields = Sequence[tuple[str, str]]


def fields_of(lines: str, now: float | None = None) -> list[tuple[str, str]]:
    """The fields that `lines` mean, names in lower case."""
    moment = time.time() if now is None else now

    def dated(match: re.Match[str]) -> str:
        return time.strftime(_FORMS[match[2]], time.gmtime(moment + int(match[1])))

    pairs = [line.partition(":") for line in lines.split("\n") if line.strip()]
    return [(name.strip().lower(), _DATE.sub(dated, value.strip(" "))) for name, _, value in pairs]


@dataclass(frozen=True)
class Answer:
    """One answer."""

    lines: str = ""
    """Its fields; Date is added unless there is one."""
    status: int = 200
    body: bytes | None = None
    """A text of its own unless given."""
    framing: Framing = "length"
    interim: bytes = b""
    """Sent first, as it is."""
    trailers: str = ""
    held: bool = False
    """It comes when the script's `release` is set."""
    held_in_body: bool = False
    """Its second half does."""
    dies: bool = False
    """The connection ends in place of an answer."""
    dated: bool = True
    """Whether Date is added."""
    validates: bool = True
    """Whether it becomes a 304 where the request has its validators."""


@dataclass
class Received:
    """A request as it came."""

    method: str
    target: str
    fields: Fields
    body: bytes
    answered: int = 0
    """The status it got."""
    text: bytes = b""
    """The body that the answer has, sent or, for 304 and HEAD, not."""

    def field(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key == name]
        return ", ".join(values) if values else None


@dataclass
class Script:
    """The answers of one test, and what came for them."""

    name: str
    answers: tuple[Answer, ...]
    received: list[Received] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = field(default_factory=time.time)
    """What its dates are relative to, so that one date stays the same."""
    at_once: int = 0
    """Requests under way now."""
    most_at_once: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, count: int, seconds: float = 5.0) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)

    async def took(self, request: Received) -> Answer:
        answer = self.answers[min(len(self.received), len(self.answers) - 1)]
        request.text = f"{self.name} {len(self.received)}".encode() if answer.body is None else answer.body
        self.received.append(request)
        async with self._arrived:
            self._arrived.notify_all()
        return answer


class CacheOrigin:
    """The server."""

    def __init__(self) -> None:
        self.url = ""
        self._scripts: dict[str, Script] = {}
        self._server: asyncio.Server
        self._open: set[asyncio.Task[None]] = set()

    def plays(self, name: str, *answers: Answer) -> Script:
        """From now on, `/name` is answered with these; a name is used once."""
        assert name not in self._scripts, name
        script = self._scripts[name] = Script(name, answers)
        return script

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            with suppress(ConnectionError):
                await writer.drain()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        request = Received(method, target, fields_of("\n".join(head[1:])), b"")
        request.body = await _body_of(request, reader)
        script = self._scripts[target.partition("?")[0].split("/")[1]]
        answer = await script.took(request)
        script.at_once += 1
        script.most_at_once = max(script.most_at_once, script.at_once)
        try:
            if answer.held:
                await script.release.wait()
            if answer.dies:
                return False
            return await _answer(answer, request, script, writer)
        finally:
            script.at_once -= 1


async def _body_of(request: Received, reader: asyncio.StreamReader) -> bytes:
    if request.field("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
    return await reader.readexactly(int(request.field("content-length") or 0))


def _holds(answer: list[tuple[str, str]], request: Received) -> bool:
    """Whether the request's validators are those of the answer."""
    fields = dict(answer)
    if (tags := request.field("if-none-match")) is not None:
        return "etag" in fields and fields["etag"] in [tag.strip() for tag in tags.split(",")]
    since = request.field("if-modified-since")
    return since is not None and since == fields.get("last-modified")


async def _answer(answer: Answer, request: Received, script: Script, writer: asyncio.StreamWriter) -> bool:
    fields = fields_of(answer.lines, script.started)
    if answer.dated and "date" not in dict(fields):
        fields.append(("date", fields_of("date: {0}", script.started)[0][1]))
    status, body, framing = answer.status, request.text, answer.framing
    if answer.validates and status == 200 and _holds(fields, request):
        status = 304
    request.answered = status
    bodiless = status in (204, 304) or request.method == "HEAD"
    if framing in ("chunked", "cut-chunked"):
        fields.append(("transfer-encoding", "chunked"))
    elif framing == "close":
        fields.append(("connection", "close"))
    elif framing in ("length", "cut") and status not in (204, 304):
        fields.append(("content-length", str(len(body) + 10 * (framing == "cut"))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    writer.write(answer.interim + f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode("latin-1"))
    if not bodiless:
        half = len(body) // 2
        parts = [part for part in (body[:half], body[half:]) if part]
        for number, part in enumerate(parts):
            if number and answer.held_in_body:
                await script.release.wait()
            chunked = framing in ("chunked", "cut-chunked")
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
        if framing == "chunked":
            trailers = "".join(f"{name}: {value}\r\n" for name, value in fields_of(answer.trailers))
            writer.write(f"0\r\n{trailers}\r\n".encode())
    await writer.drain()
    return framing in ("length", "chunked", "none")
