"""What the end of a call says: each line of the table."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway.core.errors import (
    CircuitOpen,
    ClientDisconnected,
    DeadlineExceeded,
    NoHealthyEndpoint,
    Overloaded,
    RateLimited,
)
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import (
    ConnectFailed,
    ConnectTimeout,
    UpstreamProtocolError,
    UpstreamReset,
    UpstreamTimeout,
)
from api_gateway.middleware.overload_signs import Sign, sign_of_answer, sign_of_error

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("status", "sign"),
    [
        (200, Sign.MEASURE),
        (304, Sign.MEASURE),
        (404, Sign.MEASURE),
        (429, Sign.NOTHING),
        (500, Sign.NOTHING),
        (502, Sign.NOTHING),
        (503, Sign.DROP),
        (504, Sign.DROP),
    ],
)
def test_an_answer_is_a_measure_unless_it_is_an_error_of_the_service(status: int, sign: Sign) -> None:
    assert sign_of_answer(Response(status)) is sign


@pytest.mark.parametrize(
    "error", [ConnectFailed(), ConnectTimeout(), UpstreamTimeout(), UpstreamReset(), Overloaded(), DeadlineExceeded()]
)
def test_no_answer_is_a_drop(error: BaseException) -> None:
    assert sign_of_error(error, RequestContext(), 0) is Sign.DROP


@pytest.mark.parametrize(
    "error",
    [
        CircuitOpen(),
        NoHealthyEndpoint(),
        RateLimited(),
        UpstreamProtocolError(),
        ClientDisconnected(),
        ValueError(),
        asyncio.CancelledError(),
    ],
)
def test_what_the_service_has_no_part_in_says_nothing(error: BaseException) -> None:
    assert sign_of_error(error, RequestContext(), 0) is Sign.NOTHING


@pytest.mark.parametrize(("now", "sign"), [(2 * SECOND, Sign.NOTHING), (3 * SECOND, Sign.DROP)])
def test_a_cancellation_is_the_deadlines_if_it_has_passed_else_the_clients(now: int, sign: Sign) -> None:
    context = RequestContext()
    context.deadline = 3 * SECOND
    assert sign_of_error(asyncio.CancelledError(), context, now) is sign
