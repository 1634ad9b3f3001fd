"""Cases for a cache: what the origin answers, what a client asks in turn, and what of it may come from the cache.

    Case("max-age", [Answer("cache-control: max-age=60")], [Ask("miss"), Ask("hit")])

Rule: where an answer came from is told by the origin, which counts, and by the body, which is another each time. What
the cache says about itself is checked beside that: `Cache-Status` and `Age`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import httpx2 as httpx
import pytest

from tests.support.cache_origin import Answer, CacheOrigin, Fields, Received, Script, fields_of
from tests.support.gateway_process import GatewayProcess, configuration, eventually, started
from tests.support.raw_client import RawClient, RawResponse, connect

From = Literal["hit", "miss", "validated", "stale", "refused"]
"""Where an answer comes from: the cache alone; the origin; the cache, after a 304 or a failure; nowhere (504)."""


@dataclass(frozen=True)
class Ask:
    """One request, and what it must find."""

    source: From
    lines: str = ""
    """Its fields."""
    method: str = "GET"
    query: str = ""
    """Behind the path: `?a=1`, or `/b`."""
    host: str = "shop.example"
    body: bytes = b""
    status: int = 200
    has: str = ""
    """Fields that the answer has, with these values; a name alone with any."""
    lacks: str = ""
    """Names of fields that it has not, by blanks."""
    text: bytes | None = None
    """Its body."""
    sent: str = ""
    """Fields that the origin got, with these values."""
    unsent: str = ""
    """Names of fields that it did not get."""


@dataclass(frozen=True)
class Case:
    """One test."""

    name: str
    answers: list[Answer]
    asks: list[Ask]


def pair(name: str, lines: str, source: From, then: str = "", first: str = "", **more: Any) -> Case:
    """The most frequent case: one answer, asked for twice; `first` and `then` are fields of the requests."""
    return Case(name, [Answer(lines)], [Ask("miss", first), Ask(source, then, **more)])


def each(*cases: Case) -> pytest.MarkDecorator:
    """Parametrize a test with cases."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


class Rig(NamedTuple):
    """A gateway with nothing but a cache, as a process, and its origin."""

    origin: CacheOrigin
    gateway: GatewayProcess
    port: int

    async def until_in_flight(self, count: int) -> None:
        """Wait until so many requests run in the gateway."""
        wanted = f"api_gateway_requests_in_flight {float(count)}"

        async def there() -> bool:
            return wanted in (await self.gateway.admin("/metrics")).text

        await eventually(there)

    async def run(self, case: Case) -> Script:
        """Run a case over one connection."""
        script = self.origin.plays(case.name, *case.answers)
        async with connect(self.port) as client:
            for number, ask in enumerate(case.asks):
                answer, received = await self._ask(client, script, ask)
                _check(f"request {number + 1}", ask, answer, received, script)
        return script

    async def _ask(self, client: RawClient, script: Script, ask: Ask) -> tuple[RawResponse, list[Received]]:
        before = len(script.received)
        fields = fields_of(ask.lines, script.started)
        answer = await asked(client, script.name + ask.query, fields, ask.method, ask.host, ask.body)
        return answer, script.received[before:]


async def asked(
    client: RawClient,
    path: str,
    fields: Fields = (),
    method: str = "GET",
    host: str = "shop.example",
    body: bytes = b"",
    seconds: float = 5.0,
) -> RawResponse:
    """The answer to one request."""
    fields = [("host", host), *fields]
    if body:
        fields.append(("content-length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    client.send(f"{method} /{path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
    return await client.response(method, seconds)


@asynccontextmanager
async def cache_rig(origin: CacheOrigin | None = None, **options: Any) -> AsyncIterator[Rig]:
    """A gateway for `origin`, or with one of its own; `options` are the cache's."""
    async with AsyncExitStack() as stack:
        behind = origin if origin is not None else await stack.enter_async_context(CacheOrigin())
        entry = {"cache": options} if options else "cache"
        document = configuration(behind.url, middleware=[entry], limits={"max_connections_per_address": 2000})
        gateway = await stack.enter_async_context(started(document))
        port = httpx.URL(gateway.url).port
        assert port is not None
        yield Rig(behind, gateway, port)


def _check(which: str, ask: Ask, answer: RawResponse, received: list[Received], script: Script) -> None:
    label = f"{which}: {answer.status} {answer.headers} {answer.body!r}; origin got {received}"
    expected = 504 if ask.source == "refused" else ask.status
    assert answer.status == expected, label
    _check_source(ask, answer, received, script, label)
    if ask.text is not None:
        assert answer.body == ask.text, label
    got = dict(answer.headers)
    for name, value in fields_of(ask.has, script.started):
        assert name in got, f"{label}; {name} is missing"
        assert not value or value == got[name], f"{label}; {name}"
    for name in ask.lacks.split():
        assert name not in got, f"{label}; {name}"
    for request in received:
        for name, value in fields_of(ask.sent):
            assert request.field(name) == value, f"{label}; {name} to the origin"
        for name in ask.unsent.split():
            assert request.field(name) is None, f"{label}; {name} to the origin"


def _check_source(ask: Ask, answer: RawResponse, received: list[Received], script: Script, label: str) -> None:
    status = answer.header("cache-status") or ""
    if ask.source in ("hit", "refused"):
        assert not received, label
        assert ("; hit" in status) == (ask.source == "hit"), label
        if ask.source == "hit":
            assert (answer.header("age") or "").isdigit(), label
    else:
        assert len(received) == 1, label
        assert "; hit" not in status, label
        assert "; fwd=" in status, label
        assert (received[0].answered == 304) == (ask.source == "validated"), label
        assert (received[0].answered != answer.status) or ask.source != "stale", label
    plain = ask.method != "HEAD" and answer.status == 200 and ask.text is None
    if plain and ask.source == "miss":
        assert answer.body == received[0].text, label
    elif plain:
        assert answer.body in [each.text for each in script.received if each.answered < 300], label
