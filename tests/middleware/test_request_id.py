"""Request id: kept if sane, made if not; the W3C trace continued if valid, started if not."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.request_id import RequestIdMiddleware

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
VALID = f"00-{TRACE_ID}-{SPAN_ID}-01"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Seen:
    def __init__(self, upstream: Headers, context: RequestContext, response: Response) -> None:
        self.upstream = upstream
        self.context = context
        self.response = response

    @property
    def traceparent(self) -> tuple[str, str, str]:
        """Trace id, span id and flags that went to the service."""
        (value,) = self.upstream.get_all("traceparent")
        match = TRACEPARENT.fullmatch(value)
        assert match is not None, value
        return match.group(1), match.group(2), match.group(3)


async def ask(
    lines: list[tuple[str | bytes, str | bytes]], random: Random | None = None, answer: Response | None = None
) -> Seen:
    seen: list[Headers] = []

    async def service(request: Request, context: RequestContext) -> Response:
        seen.append(request.headers)
        return answer or Response()

    context = RequestContext()
    headers = Headers.from_pairs([(_bytes(name).lower(), _bytes(value)) for name, value in lines])
    request = Request.from_parts("GET", "/", "", headers, b"")
    response = await RequestIdMiddleware(random)(request, context, service)
    return Seen(seen[0], context, response)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


@pytest.mark.parametrize("given_id", ["a", "7f3c-42", "A" * 128, "req_1.2:3/4+5="])
async def test_a_sane_id_is_kept_and_sent_on_and_back(given_id: str) -> None:
    seen = await ask([("x-request-id", given_id)])
    assert seen.context.request_id == given_id
    assert seen.upstream.get_all("x-request-id") == [given_id]
    assert seen.response.headers.get_all("x-request-id") == [given_id]


@pytest.mark.parametrize(
    "given_id",
    ["", "A" * 129, "a b", "a\r\nset-cookie: x=1", "a\n", "a\t", '"a"', "{a}", "a;b", "<a>", "\xe9", "a\0b", "a%0a"],
)
async def test_an_id_that_is_not_sane_is_replaced(given_id: str) -> None:
    seen = await ask([("x-request-id", given_id)])
    assert re.fullmatch(r"[0-9a-f]{32}", seen.context.request_id)
    assert seen.upstream.get_all("x-request-id") == [seen.context.request_id]
    assert seen.response.headers.get_all("x-request-id") == [seen.context.request_id]


@given(st.binary(max_size=200))
async def test_whatever_comes_the_id_is_fit_for_a_header_and_a_log(given_id: bytes) -> None:
    seen = await ask([(b"x-request-id", given_id)])
    assert re.fullmatch(r"[A-Za-z0-9_\-.:/+=]{1,128}", seen.context.request_id)


async def test_of_several_ids_one_is_sent_on() -> None:
    seen = await ask([("x-request-id", "one"), ("x-request-id", "two")])
    assert seen.upstream.get_all("x-request-id") == ["one"]


async def test_an_id_is_made_where_there_is_none_and_no_two_are_alike() -> None:
    middleware = RequestIdMiddleware()
    ids = set()

    async def service(request: Request, context: RequestContext) -> Response:
        ids.add(context.request_id)
        return Response()

    for _ in range(100):
        await middleware(Request("GET", "/"), RequestContext(), service)
    assert len(ids) == 100


async def test_the_services_own_id_does_not_reach_the_client() -> None:
    seen = await ask([("x-request-id", "mine")], answer=Response(200, {"x-request-id": "theirs", "x-other": "1"}))
    assert seen.response.headers.get_all("x-request-id") == ["mine"]
    assert seen.response.header("x-other") == "1"


async def test_a_seeded_random_source_makes_ids_repeatable() -> None:
    first, again, other = await ask([], Random(7)), await ask([], Random(7)), await ask([], Random(8))
    assert first.upstream == again.upstream
    assert first.context.request_id == again.context.request_id
    assert first.context.trace_id == again.context.trace_id
    assert other.context.request_id != first.context.request_id


async def test_a_valid_trace_is_continued_with_a_span_of_our_own() -> None:
    seen = await ask([("traceparent", VALID), ("tracestate", "vendor=1")])
    trace_id, span_id, flags = seen.traceparent
    assert (trace_id, flags) == (TRACE_ID, "01")
    assert span_id not in (SPAN_ID, "0" * 16)
    assert seen.context.trace_id == TRACE_ID
    assert seen.upstream.get_all("tracestate") == ["vendor=1"]


async def test_every_line_of_tracestate_goes_with_a_continued_trace() -> None:
    seen = await ask([("traceparent", VALID), ("tracestate", "a=1"), ("tracestate", "b=2")])
    assert seen.upstream.get_all("tracestate") == ["a=1", "b=2"]


@pytest.mark.parametrize(("came", "sent"), [("00", "00"), ("01", "01"), ("03", "03"), ("ff", "03"), ("fc", "00")])
async def test_the_flags_we_know_are_passed_on_and_the_others_cleared(came: str, sent: str) -> None:
    assert (await ask([("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-{came}")])).traceparent[2] == sent


async def test_a_later_version_with_more_fields_is_continued_as_version_00() -> None:
    assert (await ask([("traceparent", f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-holds")])).traceparent[
        0
    ] == TRACE_ID


@pytest.mark.parametrize(
    "traceparent",
    [
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID}-{SPAN_ID}-01-",
        f"0-{TRACE_ID}-{SPAN_ID}-01",
        f"cc-{TRACE_ID}-{SPAN_ID}-01.more",
        f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01",
        f"00-{TRACE_ID[:-1]}g-{SPAN_ID}-01",
        f"{VALID}\n",
        f" {VALID}",
        "",
        "garbage",
    ],
)
async def test_an_invalid_trace_is_restarted_and_its_state_dropped(traceparent: str) -> None:
    seen = await ask([("traceparent", traceparent), ("tracestate", "vendor=1")])
    trace_id, span_id, flags = seen.traceparent
    assert trace_id not in (TRACE_ID, "0" * 32)
    assert span_id not in (SPAN_ID, "0" * 16)
    assert flags == "01"
    assert seen.context.trace_id == trace_id
    assert "tracestate" not in seen.upstream


async def test_a_repeated_traceparent_is_invalid_even_if_both_are_alike() -> None:
    seen = await ask([("traceparent", VALID), ("traceparent", VALID), ("tracestate", "vendor=1")])
    assert seen.traceparent[0] != TRACE_ID
    assert "tracestate" not in seen.upstream


async def test_a_tracestate_without_a_trace_is_dropped() -> None:
    assert "tracestate" not in (await ask([("tracestate", "vendor=1")])).upstream


async def test_other_headers_pass_in_order() -> None:
    seen = await ask([("a", "1"), ("x-request-id", "id"), ("b", "2"), ("traceparent", VALID), ("a", "3")])
    assert [pair for pair in seen.upstream if pair[0] in "ab"] == [("a", "1"), ("b", "2"), ("a", "3")]
