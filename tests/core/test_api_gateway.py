"""ApiGateway by hand: no configuration, no server."""

from __future__ import annotations

import json
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import ApiGateway, Handler, Observer, Request, RequestContext, Response, Route, Router
from api_gateway.core.canonical_request import canonical_request
from api_gateway.core.clock import ManualClock
from api_gateway.core.error_boundary import error_boundary
from api_gateway.core.errors import ConfigurationError, NotFound
from api_gateway.core.upstream_errors import UpstreamReset


async def users(request: Request, context: RequestContext) -> Response:
    return Response.json({"path": request.path, "parameters": dict(context.path_parameters)})


def gateway_to(handler: Handler, *middleware: object, **options: object) -> ApiGateway:
    routes = [Route("/users/{id}", "users", methods=["GET"])]
    return ApiGateway(Router(routes), {"users": handler}, middleware, **options)  # type: ignore[arg-type]  # any mix


async def status(gateway: ApiGateway, request: Request) -> int:
    response = await gateway.handle(request)
    await response.read()
    return response.status


class Watching(Observer):
    """Notes the status that leaves the gateway."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        response = await call_next(request, context)
        self.seen.append(response.status)
        return response


# Answers.


async def test_a_request_reaches_its_service_in_process() -> None:
    async with gateway_to(users) as gateway:
        response = await gateway.handle(Request("GET", "/users/42", {"accept": "*/*"}))
        assert (response.status, response.header("content-type")) == (200, "application/json")
        assert json.loads(await response.read()) == {"path": "/users/42", "parameters": {"id": "42"}}


async def test_an_unknown_path_is_404_and_a_wrong_method_405_with_allow() -> None:
    gateway = gateway_to(users)
    assert await status(gateway, Request("GET", "/orders")) == 404
    response = await gateway.handle(Request("POST", "/users/42"))
    assert (response.status, response.header("allow")) == (405, "GET, HEAD")
    assert json.loads(await response.read())["code"] == "method-not-allowed"


async def test_the_path_is_canonical_before_the_router_and_the_service_see_it() -> None:
    response = await gateway_to(users).handle(Request("GET", "/x/..//%75sers/a%2fb"))
    assert json.loads(await response.read()) == {"path": "/users/a%2Fb", "parameters": {"id": "a/b"}}


async def test_a_context_that_is_given_is_filled_in_and_one_that_is_not_is_made_with_the_clock() -> None:
    seen: list[RequestContext] = []

    async def service(request: Request, context: RequestContext) -> Response:
        seen.append(context)
        return Response()

    gateway = gateway_to(service, clock=ManualClock(monotonic=77))
    mine = RequestContext()
    await gateway.handle(Request("GET", "/users/42"), mine)
    await gateway.handle(Request("GET", "/users/42"))
    assert (mine.route, dict(mine.path_parameters)) == ("/users/{id}", {"id": "42"})
    assert seen[0] is mine
    assert seen[1].started == 77


# Failures.


async def test_failures_and_defects_come_back_as_responses() -> None:
    async def reset(request: Request, context: RequestContext) -> Response:
        raise UpstreamReset("cut")

    async def defect(request: Request, context: RequestContext) -> Response:
        raise ZeroDivisionError

    assert await status(gateway_to(reset), Request("GET", "/users/1")) == 502
    assert await status(gateway_to(defect), Request("GET", "/users/1")) == 500


@settings(max_examples=200)
@given(
    st.sampled_from(["GET", "get", "TRACE", "CONNECT", "", "BREW"]),
    st.one_of(st.text(max_size=20), st.text("/.%25eEfF;\\a", max_size=12).map(lambda path: "/" + path)),
    st.lists(st.tuples(st.sampled_from(["host", "connection", "expect", "transfer-encoding"]), st.just("x"))),
)
async def test_handle_never_raises_whatever_is_asked(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    response = await gateway_to(users).handle(Request(method, target, headers))
    await response.read()
    assert response.status in (200, 400, 404, 405, 417)


def test_a_route_to_a_service_that_is_not_there_is_refused_when_built() -> None:
    with pytest.raises(ConfigurationError, match="'users', which is not defined"):
        ApiGateway(Router([Route("/users", "users")]), {})


# Layers.


async def test_observers_stand_outside_the_boundary_and_all_else_inside_both_in_order() -> None:
    def policy(request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        return call_next(request, context)

    def other(request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        return call_next(request, context)

    first, second = Watching(), Watching()
    gateway = gateway_to(users, policy, first, other, second)
    assert gateway.layers() == (first, second, error_boundary, canonical_request, policy, other)


async def test_an_observer_sees_the_final_status_of_refusals_and_of_defects() -> None:
    async def refuse(request: Request, context: RequestContext, call_next: Handler) -> Response:
        if request.path == "/users/defect":
            raise LookupError
        if request.path == "/users/hidden":
            raise NotFound
        return await call_next(request, context)

    watching = Watching()
    gateway = gateway_to(users, refuse, watching)
    for path in ("/users/42", "/users/hidden", "/users/defect", "/nowhere", "/../up"):
        await status(gateway, Request("GET", path))
    await status(gateway, Request("TRACE", "/users/42"))
    assert watching.seen == [200, 404, 500, 404, 400, 405]


async def test_a_policy_sees_only_requests_that_have_one_reading() -> None:
    seen: list[str] = []

    def policy(request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        seen.append(request.path)
        return call_next(request, context)

    gateway = gateway_to(users, policy)
    for path in ("/../users/1", "/users/%00", "/users/x/%2e%2E/1"):
        await status(gateway, Request("GET", path))
    assert seen == ["/users/1"]


# Opening and closing.


class Pooled:
    """A service that holds something."""

    def __init__(self, name: str, notes: list[str], failure: Exception | None = None) -> None:
        self.name = name
        self.notes = notes
        self.failure = failure

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        return Response()

    async def close(self) -> None:
        self.notes.append(self.name)
        if self.failure is not None:
            raise self.failure


async def test_services_are_closed_once_when_the_gateway_is_left() -> None:
    notes: list[str] = []
    gateway = ApiGateway(Router([]), {"a": Pooled("a", notes), "plain": users, "b": Pooled("b", notes)})
    async with gateway:
        assert notes == []
    assert sorted(notes) == ["a", "b"]
    async with gateway:
        pass
    assert sorted(notes) == ["a", "a", "b", "b"], "a gateway may be opened again, and closes once each time"


async def test_one_service_that_fails_to_close_does_not_keep_the_others_open() -> None:
    notes: list[str] = []
    broken = Pooled("broken", notes, OSError("stuck"))
    gateway = ApiGateway(Router([]), {"a": Pooled("a", notes), "broken": broken, "b": Pooled("b", notes)})
    with pytest.raises(OSError, match="stuck"):
        async with gateway:
            pass
    assert sorted(notes) == ["a", "b", "broken"]


async def test_services_are_closed_when_the_body_of_the_with_fails() -> None:
    notes: list[str] = []
    with pytest.raises(LookupError):
        async with ApiGateway(Router([]), {"a": Pooled("a", notes)}):
            raise LookupError
    assert notes == ["a"]


async def test_further_resources_are_closed_after_the_services_that_may_use_them() -> None:
    notes: list[str] = []
    services = {"a": Pooled("service", notes)}
    async with ApiGateway(Router([]), services, resources=[Pooled("store", notes)]):
        assert notes == []
    assert notes == ["service", "store"]


class Background(Pooled):
    """A service that does something in the background."""

    async def start(self) -> None:
        self.notes.append(f"{self.name} starts")
        if self.failure is not None:
            raise self.failure


async def test_what_starts_is_started_before_the_first_request_and_closed_in_the_reverse_order() -> None:
    notes: list[str] = []
    services: dict[str, Handler] = {"a": Background("a", notes), "plain": users, "b": Background("b", notes)}
    gateway = ApiGateway(Router([]), services, resources=[Background("store", notes)])
    for _ in range(2):
        async with gateway:
            assert notes == ["store starts", "a starts", "b starts"]
        assert notes[3:] == ["b", "a", "store"]
        notes.clear()


async def test_when_one_fails_to_start_everything_that_was_begun_is_closed() -> None:
    notes: list[str] = []
    services = {"a": Background("a", notes), "b": Background("b", notes, OSError("no")), "c": Background("c", notes)}
    with pytest.raises(OSError, match="no"):
        async with ApiGateway(Router([]), services):
            notes.append("entered")
    assert notes == ["a starts", "b starts", "b", "a"]
