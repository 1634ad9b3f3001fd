"""Whatever a client sends: an answer of 2xx or 4xx, or the end of the connection; never a hang or a 500.

Valid requests are damaged at random places, cut into pieces at random places, and sent. What reaches
the service must be free of everything that another parser could read differently.
"""

from __future__ import annotations

import asyncio
import logging
import re
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_gateway import Request, RequestContext, Response
from api_gateway.core import asgi
from api_gateway.core.canonical_path import canonical_path
from api_gateway.server.edge_limits import EdgeLimits
from tests.support.gateway_server import answering, serve
from tests.support.raw_client import connect

SHORT = 0.02
"""Seconds after which the edge gives up waiting for the rest of something damaged."""
VALID = [
    b"GET /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nX-A: 1\r\nAccept: */*\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /%61/../b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    b"GET http://b/c HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-B\r\nX-B: 1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
]
TELLING = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"%", b"%2f", b"..", b"/", b"#", b"\xff", b"0", b"-", b","]
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^`|~0-9a-z]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

damage = st.tuples(
    st.integers(0, 300), st.integers(0, 3), st.one_of(st.sampled_from(TELLING), st.binary(min_size=1, max_size=3))
)


def damaged(requests: list[bytes], damages: list[tuple[int, int, bytes]]) -> bytes:
    raw = b"".join(requests)
    for place, removed, added in damages:
        place %= len(raw)
        raw = raw[:place] + added + raw[place + removed :]
    return raw


def check_unambiguous(request: Request) -> None:
    assert canonical_path(request.path) == request.path
    assert re.fullmatch(r"[\x21\x22\x24-\x7e]*", request.query)
    names = [name for name, _ in request.headers]
    assert names.count("host") <= 1
    assert names.count("content-length") <= 1
    assert not {"transfer-encoding", "connection", "upgrade", "expect"}.intersection(names)
    for name, value in request.headers:
        assert HEADER_NAME.fullmatch(name)
        assert HEADER_VALUE.fullmatch(value)


async def converse(raw: bytes, cuts: list[int]) -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        check_unambiguous(request)
        return Response(200, body=await request.read())

    limits = EdgeLimits(head_timeout=SHORT)
    async with (
        serve(answering(service), limits, timeout_keep_alive=SHORT) as server,
        connect(server.port) as client,
    ):
        for start, end in pairwise([0, *sorted(cut % len(raw) for cut in cuts), len(raw)]):
            if not client.writer.transport.is_closing():
                client.send(raw[start:end])
            await asyncio.sleep(0)
        try:
            received = await client.rest()
        except ConnectionResetError:
            return
    statuses = re.findall(rb"^HTTP/1\.1 (\d{3}) ", received, re.MULTILINE)
    assert all(status == b"100" or status[:1] in b"24" for status in statuses), received


@given(
    requests=st.lists(st.sampled_from(VALID), min_size=1, max_size=3),
    damages=st.lists(damage, max_size=3),
    cuts=st.lists(st.integers(0, 500), max_size=3),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_requests_are_answered_or_cut(
    caplog: pytest.LogCaptureFixture, requests: list[bytes], damages: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    caplog.clear()
    raw = damaged(requests, damages)
    with patch.object(asgi, "BODY_IDLE_TIMEOUT", SHORT):
        asyncio.run(converse(raw, cuts))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
