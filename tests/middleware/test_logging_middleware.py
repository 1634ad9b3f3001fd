"""The access log: one line for each finished request, whatever its end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import pytest

from api_gateway import ApiGateway, BackendService, Endpoint, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ClientDisconnected
from api_gateway.core.upstream_errors import UpstreamReset, UpstreamTimeout
from api_gateway.middleware.logging_middleware import LoggingMiddleware
from api_gateway.middleware.request_id import RequestIdMiddleware
from api_gateway.transport.in_process import InProcessTransport

SECRET = "hunter2secret"


class Log(logging.Handler):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def entry(self) -> Mapping[str, object]:
        """The one line, which must be JSON."""
        (line,) = self.lines
        parsed: dict[str, object] = json.loads(line)
        return parsed


@pytest.fixture
def log() -> Iterator[Log]:
    logger = logging.getLogger("api_gateway.access")
    before = (logger.level, logger.propagate)
    handler = Log()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before[0])
    logger.propagate = before[1]


class World:
    """A gateway with one service before a clock that is moved by hand."""

    def __init__(self, service: Handler) -> None:
        self.clock = ManualClock(0, 1772600767.0)
        self.backend = BackendService(
            "users", [Endpoint("http://u:1")], InProcessTransport({"http://u:1": service}), clock=self.clock
        )
        self.gateway = ApiGateway(
            Router([Route("/users/*", "users", name="users-route")]),
            {"users": self.backend},
            [RequestIdMiddleware(), LoggingMiddleware("json", self.clock)],
            clock=self.clock,
        )

    async def ask(self, target: str = "/users/42", headers: Sequence[tuple[str, str]] = ()) -> Response:
        context = RequestContext(self.clock.monotonic(), "192.0.2.7", "http", "1.1")
        return await self.gateway.handle(Request("GET", target, [("host", "a.example"), *headers]), context)


async def test_a_finished_request_is_one_line_with_all_that_is_known(log: Log) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        world.clock.advance(0.002)
        return Response.text("x" * 150)

    world = World(users)
    response = await world.ask(headers=[("x-request-id", "mine")])
    assert log.lines == []
    world.clock.advance(0.001)
    await response.read()
    entry = dict(log.entry)
    assert len(str(entry.pop("trace_id"))) == 32
    assert entry == {
        "time": "2026-03-04T05:06:07.003Z",
        "request_id": "mine",
        "client": "192.0.2.7",
        "method": "GET",
        "path": "/users/42",
        "status": 200,
        "bytes": 150,
        "duration_ms": 3.0,
        "upstream_ms": 2.0,
        "gateway_ms": 0.0,
        "route": "users-route",
        "service": "users",
        "endpoint": "http://u:1",
        "attempts": 1,
        "flag": "-",
        "error": "",
    }


async def test_the_gateways_time_is_what_the_service_did_not_take_until_the_head(log: Log) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        world.clock.advance(0.002)
        return Response.text("x")

    world = World(users)
    context = RequestContext(world.clock.monotonic())
    world.clock.advance(0.005)
    response = await world.gateway.handle(Request("GET", "/users/1"), context)
    world.clock.advance(1.0)
    await response.read()
    entry = log.entry
    assert (entry["gateway_ms"], entry["upstream_ms"], entry["duration_ms"]) == (5.0, 2.0, 1007.0)


async def test_a_streamed_response_is_logged_at_its_end_with_the_bytes_that_went(log: Log) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            world.clock.advance(1.0)
            yield b"12345"

    async def users(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    world = World(users)
    response = await world.ask()
    assert log.lines == []
    await response.read()
    assert (log.entry["bytes"], log.entry["duration_ms"], log.entry["flag"]) == (15, 3000.0, "-")


async def test_a_refusal_is_logged_with_its_flag_and_reason(log: Log) -> None:
    world = World(_never)
    await (await world.ask("/nowhere")).read()
    entry = log.entry
    assert (entry["status"], entry["flag"], entry["route"], entry["attempts"]) == (404, "NR", "", 0)
    assert entry["error"] == "No route matches /nowhere."


async def test_an_upstream_failure_is_logged_with_the_detail_that_the_client_does_not_get(log: Log) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        raise UpstreamTimeout("u:1: no head within 3 s")

    body = await (await World(users).ask()).read()
    entry = log.entry
    assert (entry["status"], entry["flag"], entry["endpoint"]) == (504, "UT", "http://u:1")
    assert entry["error"] == "u:1: no head within 3 s"
    assert b"u:1" not in body


async def test_a_defect_is_logged_as_a_500(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        raise ZeroDivisionError("oops")

    await (await World(users).ask()).read()
    assert (log.entry["status"], log.entry["flag"]) == (500, "IE")


async def test_a_body_cut_by_the_service_is_logged_with_the_status_that_went_out_and_the_reason(log: Log) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"12345"
        raise UpstreamReset("u:1: closed in mid-body")

    async def users(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    response = await World(users).ask()
    with pytest.raises(UpstreamReset):
        await response.read()
    entry = log.entry
    assert (entry["status"], entry["bytes"], entry["flag"]) == (200, 5, "UC")
    assert entry["error"] == "u:1: closed in mid-body"


async def test_a_client_that_leaves_during_the_body_is_logged_as_dc_with_the_bytes_so_far(log: Log) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"12345"

    async def users(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    response = await World(users).ask()
    stream = response.stream()
    await anext(stream)
    await response.close()
    entry = log.entry
    assert (entry["status"], entry["bytes"], entry["flag"]) == (200, 5, "DC")


async def test_a_client_that_leaves_before_the_answer_is_logged_as_499_and_the_cancellation_passes(log: Log) -> None:
    asked = asyncio.Event()

    async def users(request: Request, context: RequestContext) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    work = asyncio.create_task(World(users).ask())
    await asked.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    entry = log.entry
    assert (entry["status"], entry["bytes"], entry["flag"], entry["service"]) == (499, 0, "DC", "users")


async def test_a_client_that_leaves_during_its_upload_is_logged_as_499(log: Log) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        raise ClientDisconnected("gone")

    with pytest.raises(ClientDisconnected):
        await World(users).ask()
    assert (log.entry["status"], log.entry["flag"]) == (499, "DC")


async def test_no_credential_of_a_request_is_in_its_line(log: Log) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        return Response.text("x", headers={"set-cookie": f"session={SECRET}"})

    headers = [("authorization", f"Bearer {SECRET}"), ("cookie", f"s={SECRET}"), ("x-api-key", SECRET)]
    for target in (f"/users/1?api_key={SECRET}", f"/users/1;s={SECRET}", f"/nowhere;s={SECRET}?{SECRET}"):
        await (await World(users).ask(target, headers)).read()
    assert len(log.lines) == 3
    assert SECRET not in "".join(log.lines)


async def test_a_percent_sign_in_a_path_is_not_a_format(log: Log) -> None:
    await (await World(_never).ask("/100%25s%25d")).read()
    assert log.entry["path"] == "/100%25s%25d"


async def test_nothing_is_done_where_the_logger_is_off() -> None:
    logger = logging.getLogger("api_gateway.access")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        response = Response.text("x")

        async def service(request: Request, context: RequestContext) -> Response:
            return response

        await LoggingMiddleware()(Request("GET", "/"), RequestContext(), service)
        assert not response.held
    finally:
        logger.setLevel(before)


@pytest.mark.parametrize(("format_name", "start"), [("combined", "192.0.2.7 - - ["), ("human", "05:06:07.000  200")])
async def test_the_other_formats_are_chosen_by_name(log: Log, format_name: str, start: str) -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response.text("x")

    middleware = LoggingMiddleware(format_name, ManualClock(0, 1772600767.0))  # type: ignore[arg-type]  # from a table
    response = await middleware(Request("GET", "/"), RequestContext(0, "192.0.2.7"), service)
    await response.read()
    assert log.lines[0].startswith(start)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="one of json, combined, human"):
        LoggingMiddleware("xml")  # type: ignore[arg-type]  # that is the point


async def _never(request: Request, context: RequestContext) -> Response:
    raise AssertionError("nobody asks")
