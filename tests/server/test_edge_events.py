"""Edge events: every refusal of the edge is one event, with no more of the client's bytes than is safe."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.core.security_events import SecurityEvents
from api_gateway.middleware.security_events import SecurityEventsMiddleware
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.edge_protocol import EdgeProtocol
from tests.support.gateway_server import GatewayServer, answering, on_both_loops, serve, until
from tests.support.raw_client import connect

LIMITS = EdgeLimits(max_target=400, max_header_bytes=1000, head_timeout=0.1)
POST = (
    b"POST /up;id=SECRET?token=SECRET HTTP/1.1\r\nHost: a\r\nAuthorization: SECRET\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> SecurityEvents:
    caplog.set_level(logging.INFO, "api_gateway.security")
    return SecurityEvents()


@asynccontextmanager
async def served(events: SecurityEvents, limits: EdgeLimits = LIMITS) -> AsyncIterator[GatewayServer]:
    async def count(request: Request, context: RequestContext) -> Response:
        return Response(200, body=b"%d" % len(await request.read()))

    gateway = answering(count, SecurityEventsMiddleware(events))
    async with serve(gateway, http=EdgeProtocol.with_limits(limits, events)) as server:
        yield server


def line(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (message,) = [record.message for record in caplog.records if record.name == "api_gateway.security"]
    assert "SECRET" not in message
    found: dict[str, Any] = json.loads(message)
    assert found["client"] == "127.0.0.1"
    return found


@pytest.mark.parametrize(
    ("data", "status", "method", "path"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, "", "", id="a TLS handshake"),
        pytest.param(b"GET /a?token=SECRET HTTP/1.1\r\nHost : a\r\n\r\n", 400, "", "/a", id="a bad header"),
        pytest.param(b"GET /a;SECRET HTTP/3.0\r\n\r\n", 400, "", "/a;*", id="a bad version"),
        pytest.param(b"GET http://u:SECRET@a/?x HTTP/1.1\r\nHost: a\r\n\r\n\x00", 400, "", "*", id="a bad target"),
        pytest.param(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "", "*", id="CONNECT"),
        pytest.param(b"GET /" + b"x" * 500, 414, "", "/" + "x" * 255, id="a long target"),
        pytest.param(b"GET /a HTTP/1.1\r\nX: " + b"SECRET" * 300, 431, "", "/a", id="large headers"),
        pytest.param(b"GET /a HTTP/1.1\r\nX: SECRET", 408, "", "/a", id="a slow head"),
        pytest.param(POST + b"zz\r\n", 400, "POST", "/up;*", id="a bad chunk"),
    ],
)
@on_both_loops
async def test_what_the_edge_refuses_is_one_event(
    data: bytes, status: int, method: str, path: str, events: SecurityEvents, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(events) as server, connect(server.port) as client:
        client.send(data)
        assert (await client.response()).status == status
    assert sum(events.counts.values()) == 1
    found = line(caplog)
    assert (found["event"], found["status"], found["method"], found["path"]) == ("malformed", status, method, path)
    assert found["request_id"] == ""


@on_both_loops
async def test_the_request_before_is_not_blamed(events: SecurityEvents, caplog: pytest.LogCaptureFixture) -> None:
    async with served(events) as server, connect(server.port) as client:
        client.send(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.response()).status == 200
        client.send(b"\x00\x00\x00")
        assert (await client.response()).status == 400
    found = line(caplog)
    assert (found["method"], found["path"]) == ("", "")


@on_both_loops
async def test_a_refusal_that_nobody_is_told_of_is_an_event_all_the_same(
    events: SecurityEvents, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind an answer that is under way there is none to the malformed bytes."""
    async with served(events) as server, connect(server.port) as client:
        client.send(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/9.9\r\n\r\n")
        assert (await client.response()).status == 200
        assert await client.ended()
    assert line(caplog)["path"] == "/bad"


@on_both_loops
async def test_a_request_with_two_readings_is_one_event_though_edge_and_gateway_look(
    events: SecurityEvents, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(events) as server, connect(server.port) as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert (await client.response()).status == 400
    assert line(caplog)["detail"] == "There is more than one Host header."


@on_both_loops
async def test_clients_that_come_and_go_are_no_event(events: SecurityEvents) -> None:
    async with served(events) as server:
        for data in (b"", b"GET /", POST, POST + b"5\r\nhel"):
            async with connect(server.port) as client:
                client.send(data)
                await until(lambda: server.connections == 1)
            await until(lambda: server.connections == 0)
    assert events.counts == {}


async def test_without_a_stream_a_refusal_is_a_line_in_the_edges_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api_gateway.edge")

    async def never(request: Request, context: RequestContext) -> Response:
        raise AssertionError

    async with serve(answering(never), LIMITS) as server, connect(server.port) as client:
        client.send(b"\x00")
        assert (await client.response()).status == 400
    assert [record.name for record in caplog.records] == ["api_gateway.edge"]
    assert caplog.messages[0].startswith("refused 127.0.0.1: 400 ")
