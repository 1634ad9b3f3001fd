"""The error boundary: what is raised becomes problem details; what must pass passes."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from api_gateway.core.error_boundary import error_boundary, problem_body, problem_headers, render
from api_gateway.core.errors import (
    BadRequest,
    ClientDisconnected,
    GatewayError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
)
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset

REQUEST = Request("GET", "/orders/1")


async def answer(raised: BaseException, context: RequestContext | None = None) -> Response:
    async def handler(request: Request, context: RequestContext) -> Response:
        raise raised

    return await error_boundary(REQUEST, context or RequestContext(), handler)


async def problem(response: Response) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(await response.read())
    return fields


async def test_a_registered_problem_type_and_further_members_are_told() -> None:
    fields = await problem(await answer(RateLimited("Too often.", policies=["daily"])))
    assert fields["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert (fields["code"], fields["violated-policies"]) == ("quota-exceeded", ["daily"])


async def test_a_refusal_becomes_problem_details_with_its_detail() -> None:
    context = RequestContext()
    context.request_id = "r-1"
    response = await answer(BadRequest("The query is odd."), context)
    assert response.status == 400
    assert response.header("content-type") == "application/problem+json"
    assert response.header("cache-control") == "no-store"
    body = await response.read()
    assert response.header("content-length") == str(len(body))
    assert json.loads(body) == {
        "type": "urn:api-gateway:problem:bad-request",
        "title": "Bad request",
        "status": 400,
        "code": "bad-request",
        "detail": "The query is odd.",
        "request_id": "r-1",
    }
    assert (context.flag, context.error) == ("DPE", "The query is odd.")


async def test_without_a_request_id_none_is_shown() -> None:
    assert "request_id" not in await problem(await answer(NotFound()))


async def test_the_detail_of_a_5xx_stays_inside() -> None:
    context = RequestContext()
    response = await answer(UpstreamReset("10.1.2.3:9001 closed after 17 bytes"), context)
    assert response.status == 502
    assert b"10.1.2.3" not in await response.read()
    assert b"10.1.2.3" not in repr(response.headers).encode()
    assert (context.flag, context.error) == ("UC", "10.1.2.3:9001 closed after 17 bytes")


async def test_headers_of_the_error_are_sent() -> None:
    assert (await answer(MethodNotAllowed(["GET"]))).header("allow") == "GET"
    limited = NotFound("x", headers=Headers({"retry-after": "7"}))
    assert (await answer(limited)).header("retry-after") == "7"


async def test_a_defect_is_a_bare_500_and_its_traceback_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    context = RequestContext()
    context.request_id = "r-2"
    with caplog.at_level(logging.ERROR, "api_gateway.errors"):
        response = await answer(KeyError("secret"), context)
    assert response.status == 500
    assert (await problem(response)) == {
        "type": "urn:api-gateway:problem:internal-error",
        "title": "Internal error",
        "status": 500,
        "code": "internal-error",
        "request_id": "r-2",
    }
    [record] = caplog.records
    assert record.getMessage() == "defect while handling GET /orders/1 (request r-2)"
    assert record.exc_info is not None
    assert record.exc_info[0] is KeyError
    assert (context.flag, context.error) == (InternalError.flag, "KeyError: 'secret'")


async def test_a_refusal_is_no_defect_and_is_not_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "api_gateway.errors"):
        await answer(NotFound())
    assert caplog.records == []


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), ClientDisconnected(), KeyboardInterrupt(), SystemExit()])
async def test_cancellation_and_a_client_that_left_pass_through(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(raised)):
        await answer(raised)
    assert caplog.records == []


@pytest.mark.parametrize("status", [200, 404, 500, 503])
async def test_what_a_backend_answered_is_passed_as_it_is(status: int) -> None:
    response = Response(status, {"x-a": "1"}, b"the answer")

    async def handler(request: Request, context: RequestContext) -> Response:
        return response

    context = RequestContext()
    assert await error_boundary(REQUEST, context, handler) is response
    assert (context.flag, context.error) == ("-", "")


async def test_an_error_of_a_plug_in_is_rendered_like_the_gateways_own() -> None:
    class Teapot(GatewayError):
        status, code, title, flag = 418, "teapot", "I am a teapot", "TP"

    response = await answer(Teapot("short and stout"))
    assert (response.status, (await problem(response))["detail"]) == (418, "short and stout")


@pytest.mark.parametrize("status", [100, 101, 199, 600, 999])
async def test_a_status_that_is_no_final_one_is_a_defect_and_closes_the_response(status: int) -> None:
    closed: list[bool] = []

    async def handler(request: Request, context: RequestContext) -> Response:
        response = Response(status)
        response.on_close(lambda: closed.append(True))
        return response

    response = await error_boundary(REQUEST, RequestContext(), handler)
    assert (response.status, closed) == (500, [True])


def test_a_problem_is_json_whatever_its_detail_holds() -> None:
    detail = 'a "quote", a \n line and \u2603'
    body = problem_body(BadRequest(detail))
    assert json.loads(body)["detail"] == detail
    assert dict(problem_headers(body))[b"content-length"] == str(len(body)).encode()
    assert render(BadRequest(detail), RequestContext()).body == body
