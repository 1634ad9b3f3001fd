"""Fallback: what it replaces, what it never hides, and that everybody can tell."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway import ApiGateway, BackendService, Endpoint, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import (
    BadRequest,
    CircuitOpen,
    ClientDisconnected,
    DeadlineExceeded,
    GatewayError,
    LimitsUnavailable,
    NoHealthyEndpoint,
    Overloaded,
    RateLimited,
)
from api_gateway.core.middleware import chain
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset, UpstreamTimeout
from api_gateway.middleware.fallback import FallbackMiddleware, StatedResponse
from api_gateway.transport.in_process import InProcessTransport
from tests.support.attempts import GET, POST, Outcome, Scripted, chunks

EMPTY = StatedResponse.json({"items": []})

FAILURES: list[GatewayError] = [
    ConnectFailed("refused"),
    UpstreamReset("cut"),
    UpstreamTimeout("late"),
    CircuitOpen("open"),
    NoHealthyEndpoint("none"),
    Overloaded("full"),
    DeadlineExceeded("late"),
    LimitsUnavailable("gone"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("request_", [GET, POST], ids=repr)
async def test_a_failure_of_the_gateways_own_becomes_the_stated_response(
    failure: GatewayError, request_: Request
) -> None:
    fallback, context = FallbackMiddleware(EMPTY), RequestContext()
    response = await fallback(request_, context, Scripted(failure))
    assert (response.status, await response.read()) == (200, b'{"items": []}')
    assert response.header("content-type") == "application/json"
    assert (context.flag, context.error) == (failure.flag, f"{failure.detail}; a fallback answered")
    assert fallback.fallbacks == 1


async def test_everybody_can_tell_and_nobody_keeps_it() -> None:
    response = await FallbackMiddleware(EMPTY)(GET, RequestContext(), Scripted(CircuitOpen()))
    assert (response.header("x-gateway-fallback"), response.header("cache-control")) == ("true", "no-store")
    kept = StatedResponse(503, {"Cache-Control": "max-age=5", "retry-after": "30"}, b"Back soon.")
    response = await FallbackMiddleware(kept)(GET, RequestContext(), Scripted(CircuitOpen()))
    assert response.headers.get_all("cache-control") == ["max-age=5"]
    assert (response.status, response.header("retry-after"), await response.read()) == (503, "30", b"Back soon.")


async def test_each_answer_is_its_own() -> None:
    one, two = [await FallbackMiddleware(EMPTY)(GET, RequestContext(), Scripted(CircuitOpen())) for _ in range(2)]
    one.headers = one.headers.setting("x-request", "1")
    await one.close()
    assert (two.header("x-request"), await two.read()) == (None, b'{"items": []}')


@pytest.mark.parametrize("answer", [200, 404, 500, 503])
async def test_an_answer_of_the_service_is_passed_on(answer: int) -> None:
    service, fallback, context = Scripted(answer), FallbackMiddleware(EMPTY), RequestContext()
    response = await fallback(GET, context, service)
    assert (response.status, response.header("x-gateway-fallback"), context.flag) == (answer, None, "-")
    assert fallback.fallbacks == 0
    await response.close()


async def test_a_listed_answer_is_closed_and_replaced() -> None:
    service, context = Scripted(503), RequestContext()
    response = await FallbackMiddleware(EMPTY, on=[503])(GET, context, service)
    assert (response.status, service.open) == (200, 0)
    assert (context.flag, context.error) == ("-", "the service answered 503; a fallback answered")


@pytest.mark.parametrize("on", [(), (500, 503, "connect_error")])
@pytest.mark.parametrize("error", [BadRequest(), RateLimited()])
async def test_an_error_of_the_clients_is_never_hidden(error: GatewayError, on: tuple[str | int, ...]) -> None:
    with pytest.raises(type(error)):
        await FallbackMiddleware(EMPTY, on=on)(GET, RequestContext(), Scripted(error))
    with pytest.raises(ValueError, match="hides no error of the client's"):
        FallbackMiddleware(EMPTY, on=[429])


@pytest.mark.parametrize("error", [ValueError("a defect"), ClientDisconnected(), asyncio.CancelledError()])
async def test_what_is_no_failure_of_a_service_passes(error: BaseException) -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        raise error

    with pytest.raises(type(error)):
        await FallbackMiddleware(EMPTY)(GET, RequestContext(), service)


@pytest.mark.parametrize(
    ("on", "replaced"),
    [
        (["circuit_open"], [CircuitOpen]),
        (["connect_error", "timeout"], [ConnectFailed, UpstreamTimeout]),
        ([503], [CircuitOpen, NoHealthyEndpoint, Overloaded, LimitsUnavailable]),
        (["overloaded", 504], [Overloaded, UpstreamTimeout, DeadlineExceeded]),
    ],
)
async def test_only_what_is_listed_is_replaced(on: list[str | int], replaced: list[type[GatewayError]]) -> None:
    for failure in FAILURES:
        fallback = FallbackMiddleware(EMPTY, on=on)
        if type(failure) in replaced:
            await fallback(GET, RequestContext(), Scripted(failure))
        else:
            with pytest.raises(type(failure)):
                await fallback(GET, RequestContext(), Scripted(failure))
        assert fallback.fallbacks == (type(failure) in replaced)


async def test_the_log_tells_who_failed_although_the_client_got_a_200() -> None:
    service = Scripted(CircuitOpen("users failed 5 of 5"))
    handler = chain([FallbackMiddleware(EMPTY)], service)
    gateway = ApiGateway(Router([Route("/*", "s")]), {"s": handler}, clock=ManualClock())
    context = RequestContext()
    response = await gateway.handle(GET, context)
    assert (response.status, context.flag) == (200, "UO")
    assert context.error == "users failed 5 of 5; a fallback answered"


# Another service.


def _backend(handler: Scripted, name: str) -> BackendService:
    return BackendService(name, [Endpoint("in-process://0")], InProcessTransport({"in-process://0": handler}))


async def test_another_service_gets_the_request_itself() -> None:
    first, other, context = Scripted(UpstreamReset()), Scripted(200, reads_body=True), RequestContext()
    request = Request("PUT", "/a?b=c", {"x": "y"}, b"whole")
    response = await FallbackMiddleware(_backend(other, "other"))(request, context, _backend(first, "first"))
    assert (response.status, response.header("x-gateway-fallback"), context.flag) == (200, "true", "UC")
    assert (other.bodies, other.requests[0].target, other.requests[0].header("x")) == ([b"whole"], "/a?b=c", "y")
    assert context.service == "other"
    assert other.open == 1
    await response.close()
    assert (first.open, other.open) == (0, 0)


async def test_if_the_other_service_fails_too_that_is_what_counts() -> None:
    with pytest.raises(ConnectFailed, match="other"):
        await FallbackMiddleware(Scripted(ConnectFailed("other")))(GET, RequestContext(), Scripted(CircuitOpen()))
    response = await FallbackMiddleware(Scripted(500))(GET, RequestContext(), Scripted(CircuitOpen()))
    assert (response.status, response.header("x-gateway-fallback")) == (500, "true")
    await response.close()


@pytest.mark.parametrize(
    ("outcome", "goes_on"),
    [(ConnectFailed(), True), (UpstreamReset(sent=False), True), (UpstreamReset(), False), (503, False)],
    ids=repr,
)
async def test_a_post_that_may_have_arrived_goes_to_nobody_else(outcome: Outcome, goes_on: bool) -> None:
    other = Scripted(200)
    fallback = FallbackMiddleware(other, on=["connect_error", "reset", 503])
    try:
        response = await fallback(POST, RequestContext(), Scripted(outcome))
        await response.close()
        assert response.status == (200 if goes_on else outcome)
    except GatewayError as error:
        assert error is outcome  # noqa: PT017  # one test for both ways of telling
    assert other.calls == goes_on


async def test_a_post_that_a_breaker_kept_back_goes_on() -> None:
    async def refuses(request: Request, context: RequestContext) -> Response:
        raise CircuitOpen

    other = Scripted(200, reads_body=True)
    await (await FallbackMiddleware(other)(POST, RequestContext(), refuses)).close()
    assert other.bodies == [b"order"]


@pytest.mark.parametrize("touched", [False, True])
async def test_a_streamed_body_goes_on_only_while_nobody_has_begun_it(touched: bool) -> None:
    other, first = Scripted(200, reads_body=True), Scripted(ConnectFailed(), reads_body=touched)
    fallback = FallbackMiddleware(other)
    request = Request("PUT", "/", body=chunks(b"a", b"b"))
    if touched:
        with pytest.raises(ConnectFailed):
            await fallback(request, RequestContext(), first)
    else:
        await (await fallback(request, RequestContext(), first)).close()
    assert other.bodies == ([] if touched else [b"ab"])


async def test_a_stated_response_does_not_care_about_bodies() -> None:
    request = Request("POST", "/", body=chunks(b"a", b"b"))
    response = await FallbackMiddleware(EMPTY)(request, RequestContext(), Scripted(UpstreamReset(), reads_body=True))
    assert response.status == 200
