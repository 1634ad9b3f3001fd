"""Outcome: who ended a response, and how the log and the metrics call it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api_gateway.core.errors import ClientDisconnected, DeadlineExceeded
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.middleware.outcome import outcome


async def fails(error: Exception) -> AsyncIterator[bytes]:
    yield b"first"
    raise error


async def after(error: Exception) -> tuple[str, str]:
    response = Response(200, body=fails(error))
    with pytest.raises(type(error)):
        await response.read()
    return outcome(response, RequestContext())


async def test_a_response_read_to_its_end_went_well() -> None:
    response = Response.text("all")
    await response.read()
    assert outcome(response, RequestContext()) == ("-", "")


async def test_a_refusal_read_to_its_end_is_what_the_boundary_recorded() -> None:
    context = RequestContext()
    context.flag, context.error = "NR", "No route matches /."
    response = Response(404)
    await response.read()
    assert outcome(response, context) == ("NR", "No route matches /.")


async def test_a_body_cut_by_the_gateway_or_the_service_has_the_flag_of_its_error() -> None:
    assert await after(UpstreamReset("s: closed in mid-body")) == ("UC", "s: closed in mid-body")
    assert await after(DeadlineExceeded("too late")) == ("DT", "too late")


async def test_a_defect_in_a_body_is_not_blamed_on_the_client() -> None:
    assert await after(KeyError("x")) == ("IE", "KeyError: 'x'")


async def test_a_response_that_nobody_read_to_its_end_was_left_by_the_client() -> None:
    response = Response.text("all")
    await response.close()
    assert outcome(response, RequestContext())[0] == "DC"


async def test_a_client_that_left_while_sending_is_the_client() -> None:
    assert (await after(ClientDisconnected("gone")))[0] == "DC"
