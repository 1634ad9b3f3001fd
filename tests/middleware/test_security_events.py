"""Security events of requests: which refusal is which event, what a line says, and what it never does."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_gateway import ApiGateway, Handler, Middleware, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import (
    AddressDenied,
    BadRequest,
    CallerUnknown,
    CircuitOpen,
    ExpectationFailed,
    Forbidden,
    GatewayError,
    HeadersTooLarge,
    IdentityUnavailable,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    RateLimited,
    RequestTimeout,
    TargetTooLong,
    Unauthenticated,
    UnprocessableContent,
    UnsupportedMediaType,
)
from api_gateway.core.identity import Identity
from api_gateway.core.security_events import LONGEST_FIELD, SecurityEvent, SecurityEvents
from api_gateway.middleware.request_id import RequestIdMiddleware
from api_gateway.middleware.security_events import SecurityEventsMiddleware, security_events_of
from api_gateway.simulation import run

LOGGER = "api_gateway.security"
KEYS = [
    "time",
    "event",
    "request_id",
    "trace_id",
    "client",
    "method",
    "path",
    "route",
    "subject",
    "code",
    "status",
    "detail",
]


def raising(error: BaseException, identity: Identity | None = None) -> Handler:
    async def handler(request: Request, context: RequestContext) -> Response:
        context.identity = identity
        raise error

    return handler


def gateway(handler: Handler, events: SecurityEvents, *more: Middleware) -> ApiGateway:
    layers: list[Middleware] = [RequestIdMiddleware(), SecurityEventsMiddleware(events), *more]
    return ApiGateway(Router([Route("/*", "service", name="all")]), {"service": handler}, layers)


async def refused(
    error: GatewayError, caplog: pytest.LogCaptureFixture, request: Request | None = None, **context: Any
) -> list[dict[str, Any]]:
    caplog.set_level(logging.INFO, LOGGER)
    handler = raising(error, context.pop("identity", None))
    answer = await gateway(handler, SecurityEvents()).handle(
        request or Request("GET", "/a"), RequestContext(0, context.pop("peer", "192.0.2.1"), "http", "")
    )
    assert answer.status == error.status
    return [json.loads(message) for message in caplog.messages]


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (Unauthenticated(challenges=["Bearer"]), "authentication_refused"),
        (Forbidden(), "forbidden"),
        (CallerUnknown(), "forbidden"),
        (AddressDenied(), "address_denied"),
        (RateLimited(), "limit_exceeded"),
        (IdentityUnavailable(), "identity_unavailable"),
        *((error(), "malformed") for error in (BadRequest, RequestTimeout, PayloadTooLarge, TargetTooLong)),
        *((error(), "malformed") for error in (UnsupportedMediaType, ExpectationFailed, UnprocessableContent)),
        (HeadersTooLarge(), "malformed"),
    ],
)
async def test_each_refusal_is_one_event(error: GatewayError, event: str, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await refused(error, caplog)
    assert list(line) == KEYS
    assert (line["event"], line["status"], line["code"], line["route"]) == (event, error.status, error.code, "all")
    assert len(line["request_id"]) == len(line["trace_id"]) == 32


@pytest.mark.parametrize(
    "error", [NotFound(), MethodNotAllowed(["GET"]), CircuitOpen(), Overloaded(), InternalError("defect")]
)
async def test_a_failure_that_nobody_caused_on_purpose_is_no_event(
    error: GatewayError, caplog: pytest.LogCaptureFixture
) -> None:
    assert await refused(error, caplog) == []


@pytest.mark.parametrize("status", [200, 401, 403, 429])
async def test_what_a_service_answers_is_no_event(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(status)

    events = SecurityEvents()
    assert (await gateway(handler, events).handle(Request("GET", "/"))).status == status
    assert (caplog.messages, events.counts) == ([], {})


async def test_a_client_that_leaves_is_no_event() -> None:
    events = SecurityEvents()
    with pytest.raises(asyncio.CancelledError):
        await gateway(raising(asyncio.CancelledError()), events).handle(Request("GET", "/"))
    assert events.counts == {}


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (Forbidden(), "alice"),
        (RateLimited(), "alice"),
        (BadRequest(), ""),
        (Unauthenticated(challenges=["Bearer"]), ""),
        (AddressDenied(), ""),
    ],
)
async def test_who_was_calling_is_told_only_where_one_has_to_know(
    error: GatewayError, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    identity = Identity("alice", "jwt", "https://id.example", claims={"email": "alice@example.com"})
    (line,) = await refused(error, caplog, identity=identity)
    assert line["subject"] == shown
    assert "example.com" not in caplog.messages[0]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/%61dmin/./x", "/admin/x"),
        ("/a;jsessionid=SECRET/b", "/a;*/b"),
        ("/a/../../etc", "/a/../../etc"),
        ("/%00", "/%00"),
        ("http://user:SECRET@host/", "*"),
        ("/" + "x" * 5000, "/" + "x" * (LONGEST_FIELD - 1)),
    ],
)
async def test_the_path_is_canonical_bounded_and_without_credentials(
    path: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"authorization": "Bearer SECRET", "x-api-key": "SECRET", "cookie": "SECRET"}
    request = Request("GET", path + "?token=SECRET&x=1", headers=headers, body=b"SECRET")
    (line,) = await refused(BadRequest(), caplog, request)
    assert line["path"] == shown
    assert "SECRET" not in caplog.messages[0]
    assert "token" not in caplog.messages[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=600), st.text(max_size=600), st.text(max_size=600))
def test_whatever_a_client_sends_is_one_line_of_printable_ascii(
    caplog: pytest.LogCaptureFixture, path: str, method: str, detail: str
) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO, LOGGER)

    async def report() -> None:
        SecurityEvents().report(
            "malformed", "", lambda: SecurityEvent(path=path, method=method, detail=detail, client=path)
        )

    asyncio.run(report())
    (message,) = caplog.messages
    assert all(" " <= character <= "~" for character in message)
    line = json.loads(message)
    assert (line["path"], line["detail"]) == (path[:LONGEST_FIELD], detail[:LONGEST_FIELD])
    assert len(message) < 6 * 4 * LONGEST_FIELD + 500


@pytest.mark.parametrize("nasty", ['a\n{"event":"forged"}', "a\r\nb", "\x1b[2J", "\x7f", "\u2028", "\x00", '"}'])
async def test_control_characters_cannot_forge_a_line(nasty: str, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await refused(BadRequest(nasty), caplog, peer=nasty)
    assert (line["event"], line["client"]) == ("malformed", nasty)
    assert all(" " <= character <= "~" for character in caplog.messages[0])


async def test_the_time_is_wall_time_in_utc(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    SecurityEvents(ManualClock(wall=1_700_000_000.25)).report("malformed", "", SecurityEvent)
    assert json.loads(caplog.messages[0])["time"] == "2023-11-14T22:13:20.250Z"


# A flood.


async def test_a_flood_is_summed_up_and_counted_and_hides_no_other_kind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    clock = ManualClock()
    events = SecurityEvents(clock, lines_per_second=10)
    described = 0

    def describe() -> SecurityEvent:
        nonlocal described
        described += 1
        return SecurityEvent()

    for _ in range(1000):
        events.report("malformed", "all", describe)
    events.report("authentication_refused", "all", describe)
    assert (len(caplog.messages), described) == (11, 11)
    clock.advance(1.0)
    events.report("malformed", "all", describe)
    summary = json.loads(caplog.messages[11])
    assert (summary["event"], summary["suppressed"], list(summary)) == (
        *("malformed", 990),
        ["time", "event", "suppressed"],
    )
    assert len(caplog.messages) == 13
    assert events.counts == {("malformed", "all"): 1001, ("authentication_refused", "all"): 1}
    assert (events.suppressed["malformed"], events.suppressed["authentication_refused"]) == (990, 0)
    await events.close()
    assert len(caplog.messages) == 13


def test_a_flood_that_ends_is_summed_up_a_second_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def main() -> None:
        events = SecurityEvents(ManualClock(), lines_per_second=1)
        for _ in range(5):
            events.report("malformed", "", SecurityEvent)
        assert len(caplog.messages) == 1
        await asyncio.sleep(1.1)
        assert json.loads(caplog.messages[1])["suppressed"] == 4
        await asyncio.sleep(10)
        assert len(caplog.messages) == 2

    run(main)


async def test_a_flood_at_the_very_end_is_summed_up_when_the_stream_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    events = SecurityEvents(ManualClock(), lines_per_second=1)
    for _ in range(3):
        events.report("forbidden", "", SecurityEvent)
    await events.close()
    await events.close()
    assert [json.loads(message).get("suppressed") for message in caplog.messages] == [None, 2]


def test_no_second_has_more_lines_than_allowed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    async def main() -> None:
        clock = ManualClock()
        events = SecurityEvents(clock, lines_per_second=7)
        for _ in range(2000):
            events.report("malformed", "", SecurityEvent)
            clock.advance(0.0025)
        await events.close()

    run(main)
    lines = [json.loads(message) for message in caplog.messages]
    assert sum(line.get("suppressed", 1) for line in lines) == 2000
    assert sum("suppressed" not in line for line in lines) == 5 * 7


async def test_events_are_counted_where_nobody_writes_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    events = SecurityEvents()
    for _ in range(300):
        events.report("malformed", "", SecurityEvent)
    assert events.counts == {("malformed", ""): 300}
    assert (caplog.messages, sum(events.suppressed.values())) == ([], 0)


def test_the_stream_is_found_in_a_gateways_middleware() -> None:
    events = SecurityEvents()
    assert security_events_of([RequestIdMiddleware(), SecurityEventsMiddleware(events)]) is events
    assert security_events_of([RequestIdMiddleware()]) is None
