"""Aggregator: the time of the longest chain, one answer whatever comes first, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import BackendService, Endpoint, Request, RequestContext, Response
from api_gateway.backend.aggregate_plan import Part, Plan
from api_gateway.backend.aggregate_template import Template
from api_gateway.backend.aggregator import Aggregator, headers_for_parts
from api_gateway.core.errors import CircuitOpen, DeadlineExceeded, MethodNotAllowed
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.outcome_window import CountWindow
from api_gateway.simulation import VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport
from tests.support.aggregates import DATA, ORDER_DETAILS, ORDER_DETAILS_SHAPE, Shop, aggregate, context_for

T = TypeVar("T")

GET = Request("GET", "/api/order-details/7", headers={"host": "shop.example", "x-request-id": "r1"})


def simulated(main: Callable[[], Awaitable[T]]) -> T:
    """The result of `main` in virtual time, after which no other task may be left."""

    async def watched() -> T:
        try:
            return await main()
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

    return run(watched)


def details(
    shop: Shop, request: Request = GET, parts: Mapping[str, Mapping[str, object]] = ORDER_DETAILS, **options: object
) -> tuple[Response, object, float]:
    """Response, JSON and seconds of one aggregate for order 7."""
    shape = options.pop("response", None)
    deadline = options.pop("deadline", None)
    identity = options.pop("identity", None)
    assert not options

    async def main() -> tuple[Response, object, float]:
        assert shape is None or isinstance(shape, str)
        assert deadline is None or isinstance(deadline, float)
        assert identity is None or isinstance(identity, Identity)
        context = context_for(id="7", deadline=deadline, identity=identity)
        response = await aggregate(parts, shop, shape)(request, context)
        body = await response.read()
        return response, json.loads(body) if body else None, asyncio.get_running_loop().time()

    return simulated(main)


def problem_of(body: object, part: str) -> dict[str, object]:
    assert isinstance(body, dict)
    members = body.get("parts", body.get("_problems"))
    assert isinstance(members, dict)
    problem = members[part]
    assert isinstance(problem, dict)
    return problem


# The answer


def test_the_contracts_example_is_one_answer_in_the_shape_that_was_asked_for() -> None:
    shop = Shop(DATA)
    response, body, seconds = details(shop, response=ORDER_DETAILS_SHAPE)
    assert response.status == 200
    assert body == {"order": DATA["/orders/7"], "customer": "Ann", "products": ["Cup", "Pot", "Cup"]}
    assert seconds == pytest.approx(0.4, abs=1e-12)
    assert response.header("content-type") == "application/json"
    assert "x-partial-response" not in response.headers


def test_without_a_shape_the_answer_is_all_parts_in_the_order_of_the_configuration() -> None:
    response, body, _ = details(Shop(DATA, delays={"/users/3": 0.01}))
    assert isinstance(body, dict)
    assert [*body] == ["order", "customer", "products"]
    assert body["products"] == [DATA["/products/1"], DATA["/products/2"], DATA["/products/1"]]
    assert response.header("content-length") == str(len(response.body)) if isinstance(response.body, bytes) else False


def test_seven_calls_of_200_ms_take_200_ms_side_by_side() -> None:
    parts = {f"part{number}": {"service": "s", "path": f"/{number}"} for number in range(7)}
    shop = Shop({f"/{number}": number for number in range(7)})
    _, body, seconds = details(shop, parts=parts)
    assert body == {f"part{number}": number for number in range(7)}
    assert seconds == 0.2
    assert len(shop.asked) * shop.delay == pytest.approx(1.4)  # one after the other


def test_seven_calls_of_which_six_need_the_first_take_400_ms() -> None:
    parts: dict[str, dict[str, object]] = {"root": {"service": "s", "path": "/{id}"}}
    parts |= {f"part{number}": {"service": "s", "path": f"/{number}/{{root.key}}"} for number in range(6)}
    shop = Shop({"/7": {"key": "k"}, **{f"/{number}/k": number for number in range(6)}})
    assert details(shop, parts=parts)[2] == 0.4


def test_a_part_starts_when_its_own_needs_are_there_and_waits_for_no_other() -> None:
    parts = {
        "a": {"service": "s", "path": "/a"},
        "slow": {"service": "s", "path": "/slow"},
        "b": {"service": "s", "path": "/b/{a}"},
        "c": {"service": "s", "path": "/c/{b}"},
    }
    shop = Shop({"/a": 1, "/slow": 2, "/b/1": 3, "/c/3": 4}, delay=0.1, delays={"/slow": 0.3})
    assert details(shop, parts=parts)[2] == pytest.approx(0.3)  # in rounds it would be 0.3 + 0.1 + 0.1


def test_equal_requests_are_made_once() -> None:
    shop = Shop(DATA)
    details(shop)
    assert sorted(shop.asked) == ["/orders/7", "/products/1", "/products/2", "/users/3"]


def test_two_parts_that_ask_for_the_same_share_one_request() -> None:
    parts = {name: {"service": "s", "path": "/orders/{id}"} for name in ("one", "two")}
    shop = Shop(DATA)
    assert details(shop, parts=parts)[1] == {"one": DATA["/orders/7"], "two": DATA["/orders/7"]}
    assert shop.asked == ["/orders/7"]


def test_the_same_path_of_two_services_is_two_requests() -> None:
    parts = {name: {"service": name, "path": "/orders/{id}"} for name in ("one", "two")}
    shop = Shop(DATA)
    details(shop, parts=parts)
    assert shop.asked == ["/orders/7", "/orders/7"]


def test_no_elements_are_an_empty_list_and_no_request() -> None:
    shop = Shop({**DATA, "/orders/7": {"user_id": 3, "items": []}})
    _, body, _ = details(shop)
    assert isinstance(body, dict)
    assert body["products"] == []


def test_head_is_answered_as_get_without_the_body() -> None:
    head, nothing, _ = details(shop := Shop(DATA), GET._replace(method="HEAD"))
    full, _, _ = details(Shop(DATA))
    assert (head.status, nothing, head.header("content-length")) == (200, None, full.header("content-length"))
    assert {request.method for request in shop.requests} == {"GET"}


def test_other_methods_are_405_and_nobody_is_asked() -> None:
    shop = Shop(DATA)
    with pytest.raises(MethodNotAllowed) as caught:
        details(shop, Request("POST", "/api/order-details/7"))
    assert caught.value.headers.get("allow") == "GET, HEAD"
    assert not shop.asked


def test_a_204_is_null() -> None:
    assert details(Shop({"/a": Response(204)}), parts={"a": {"service": "s", "path": "/a"}})[1] == {"a": None}


# What goes to the parts


def test_the_parts_get_the_clients_headers_less_those_about_its_own_request() -> None:
    kept = {"host": "h", "authorization": "Bearer t", "cookie": "c=1", "accept-language": "de", "x-user-id": "u"}
    dropped = {
        "accept": "text/html",
        "accept-encoding": "br",
        "content-type": "text/plain",
        "content-length": "3",
        "if-none-match": '"x"',
        "if-range": '"x"',
        "range": "bytes=0-1",
    }
    for_parts = headers_for_parts(Headers({**kept, **dropped}))
    assert dict(for_parts) == {**kept, "accept": "application/json", "accept-encoding": "identity"}


def test_a_part_has_no_body_even_if_the_clients_request_has() -> None:
    shop = Shop(DATA)
    details(shop, Request("GET", "/api/order-details/7", body=b"abc"))
    assert {request.body for request in shop.requests} == {b""}


def test_query_header_and_identity_are_values_too() -> None:
    parts = {
        "orders": {"service": "s", "path": "/orders?user={identity.subject}&page={query.page=1}&size={query.size=5}"},
        "tenant": {"service": "s", "path": "/tenants/{header.x-tenant}"},
    }
    answers = {"/orders?user=a%2Fb&page=2&size=5": [], "/tenants/t1": "T"}
    request = Request("GET", "/api/order-details/7?page=2&page=3", headers={"X-Tenant": "t1"})
    response, body, _ = details(Shop(answers), request, parts, identity=Identity("a/b", "jwt"))
    assert body == {"orders": [], "tenant": "T"}
    assert response.header("vary") == "x-tenant"
    assert response.header("cache-control") == "private"


# A part that must be there


@pytest.mark.parametrize(
    ("answer", "status", "upstream", "title"),
    [
        (Response.json({"error": "gone"}, 404), 404, 404, "The service answered 404"),
        (Response.json({"error": "who"}, 401, {"www-authenticate": "Bearer"}), 401, 401, "The service answered 401"),
        (Response.json({}, 429, {"retry-after": "7"}), 429, 429, "The service answered 429"),
        (Response.json({}, 422), 422, 422, "The service answered 422"),
        (Response.json({}, 405), 502, 405, "The service answered 405"),
        (Response.json({}, 302, {"location": "/x"}), 502, 302, "The service answered 302"),
        (Response.json({}, 500), 502, 500, "The service answered 500"),
        (Response.json({}, 503, {"retry-after": "7"}), 503, 503, "The service answered 503"),
        (Response.json({}, 504), 504, 504, "The service answered 504"),
        (Response.text("<html>"), 502, 502, "The service gave an invalid answer"),
        (Response(200, body=b"NaN"), 502, 502, "The service gave an invalid answer"),
        (Response(200, body=b"1e999"), 502, 502, "The service gave an invalid answer"),
        (Response(200, body=b"[" * 100_000), 502, 502, "The service gave an invalid answer"),
        (Response(200, body=b""), 502, 502, "The service gave an invalid answer"),
        (Response(200, {"content-encoding": "gzip"}, b"{}"), 502, 502, "The service gave an invalid answer"),
        (Response(200, body=b'"' + b"x" * 1024 * 1024 + b'"'), 502, 502, "The service gave an invalid answer"),
        (ConnectFailed("10.0.0.1 refused"), 502, 502, "The service cannot be reached"),
        (CircuitOpen("secret"), 503, 503, "The service is left alone to recover"),
        (KeyError("a defect"), 500, 500, "Internal error"),
    ],
)
def test_what_is_wrong_with_the_first_part_decides_the_status(
    answer: object, status: int, upstream: int, title: str
) -> None:
    response, body, _ = details(Shop({**DATA, "/orders/7": answer}))
    assert isinstance(body, dict)
    assert (response.status, body["status"], body["code"]) == (status, status, "part-failed")
    assert response.header("content-type") == "application/problem+json"
    assert response.header("cache-control") == "no-store"
    problem = problem_of(body, "order")
    assert (problem["status"], problem["title"]) == (upstream, title)
    assert "secret" not in json.dumps(body)
    assert "10.0.0.1" not in json.dumps(body)


def test_what_the_service_said_is_not_lost() -> None:
    said = {"error": "there is no order 7", "hint": ["they go to 6"]}
    _, body, _ = details(Shop({**DATA, "/orders/7": Response.json(said, 404)}))
    assert problem_of(body, "order")["body"] == said
    _, body, _ = details(Shop({**DATA, "/orders/7": Response.text("no such order", 404)}))
    assert problem_of(body, "order")["body"] == "no such order"


@pytest.mark.parametrize(
    "said",
    [
        Response.json("x" * 100_000, 404),
        Response.json("x" * 2_000_000, 404),
        Response(404, {"content-type": "image/png"}, b"\x89PNG"),
        Response(404),
    ],
)
def test_what_the_service_said_is_left_out_where_it_is_long_or_cannot_be_shown(said: Response) -> None:
    response, body, _ = details(Shop({**DATA, "/orders/7": said}))
    assert response.status == 404
    assert "body" not in problem_of(body, "order")


def test_headers_that_belong_to_the_status_are_passed_on_with_it() -> None:
    refused = Response.json({}, 401, {"www-authenticate": "Bearer"})
    assert details(Shop({**DATA, "/orders/7": refused}))[0].header("www-authenticate") == "Bearer"
    wrong = Response.json({}, 500, {"retry-after": "7"})
    assert "retry-after" not in details(Shop({**DATA, "/orders/7": wrong}))[0].headers


def test_a_404_for_what_the_client_did_not_name_is_502() -> None:
    response, body, _ = details(Shop({**DATA, "/products/2": Response.json({"error": "sold out"}, 404)}))
    assert response.status == 502
    assert problem_of(body, "products") == {
        "title": "The service answered 404",
        "status": 404,
        "code": "upstream-status",
        "body": {"error": "sold out"},
    }


def test_a_403_about_the_caller_passes_from_any_part() -> None:
    assert details(Shop({**DATA, "/products/2": Response.json({}, 403)}))[0].status == 403


def test_when_a_part_fails_the_rest_is_cancelled_at_once() -> None:
    shop = Shop({**DATA, "/products/2": Response.json({}, 500)}, delays={"/products/1": 9.0, "/users/3": 0.45})
    _, _, seconds = details(shop)
    assert seconds == 0.4
    assert (shop.cancelled, shop.in_flight) == (2, 0)


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ({"user_id": 3}, "order.items is not a list"),
        ({"user_id": 3, "items": {"product_id": 1}}, "order.items is not a list"),
        ({"user_id": 3, "items": [{"product_id": n} for n in range(101)]}, "has 101 elements; at most 100"),
        ({"user_id": 3, "items": [{"sku": 1}]}, "item.product_id is missing"),
        ({"user_id": 3, "items": [{"product_id": {}}]}, "item.product_id is neither text nor a number"),
        ({"user_id": 3, "items": [{"product_id": ".."}]}, "item.product_id would change the path"),
        ({"user_id": 3, "items": [{"product_id": "../admin"}]}, "item.product_id would change the path"),
    ],
)
def test_a_list_or_an_element_that_does_not_fit_fails_the_part(order: object, problem: str) -> None:
    async def main() -> tuple[int, str, list[str]]:
        shop = Shop({**DATA, "/orders/7": order})
        context = context_for(id="7")
        response = await aggregate(ORDER_DETAILS, shop)(GET, context)
        return response.status, context.error, shop.asked

    status, error, asked = simulated(main)
    assert status == 502
    assert problem in error
    assert not [target for target in asked if target.startswith("/products")]


def test_a_missing_query_parameter_is_the_clients_mistake() -> None:
    response, body, _ = details(Shop({}), parts={"a": {"service": "s", "path": "/a?page={query.page}"}})
    assert response.status == 400
    assert problem_of(body, "a")["detail"] == "query.page is missing"


def test_a_path_about_the_caller_is_403_for_nobody() -> None:
    shop = Shop({})
    response, _, _ = details(shop, parts={"a": {"service": "s", "path": "/carts/{identity.subject}"}})
    assert (response.status, shop.asked) == (403, [])


def test_a_shape_that_cannot_be_made_is_502() -> None:
    response, _, _ = details(Shop({**DATA, "/orders/7": {"user_id": 3, "items": []}}), response="length(order.total)")
    assert response.status == 502


def test_answers_of_one_part_may_not_be_too_large_together() -> None:
    parts: dict[str, Mapping[str, object]] = {
        "order": {"service": "s", "path": "/orders/{id}"},
        "products": {**ORDER_DETAILS["products"], "max_body": 30},
    }
    assert details(Shop(DATA), parts=parts)[0].status == 502  # 25 bytes each
    parts["products"] = {**ORDER_DETAILS["products"], "max_body": 60}
    assert details(Shop(DATA), parts=parts)[0].status == 200


# A part that may be missing


def test_without_an_optional_part_the_answer_says_that_it_is_partial() -> None:
    answers = {**DATA, "/users/3": Response.json({"error": "down"}, 500), "/orders/7": _cached(DATA["/orders/7"])}
    response, body, _ = details(Shop(answers), response=ORDER_DETAILS_SHAPE)
    assert response.status == 200
    assert response.header("x-partial-response") == "customer"
    assert response.headers.get_all("cache-control") == ["no-store"]
    assert body == {
        "order": DATA["/orders/7"],
        "customer": None,
        "products": ["Cup", "Pot", "Cup"],
        "_problems": {
            "customer": {
                "title": "The service answered 500",
                "status": 500,
                "code": "upstream-status",
                "body": {"error": "down"},
            }
        },
    }


def test_the_shape_may_say_where_the_problems_are() -> None:
    answers = {**DATA, "/users/3": ConnectFailed()}
    shape = "{name: customer.name, missing: keys(_problems)}"
    _, body, _ = details(Shop(answers), response=shape)
    assert isinstance(body, dict)
    assert body["missing"] == ["customer"]
    assert details(Shop(DATA), response=shape)[1] == {"name": "Ann", "missing": []}
    assert details(Shop(answers), response="{_problems: keys(_problems)}")[1] == {"_problems": ["customer"]}


def test_a_partial_answer_that_is_no_object_says_so_in_its_header() -> None:
    response, body, _ = details(Shop({**DATA, "/users/3": ConnectFailed()}), response="products[*].title")
    assert body == ["Cup", "Pot", "Cup"]
    assert response.header("x-partial-response") == "customer"


def test_a_late_optional_part_is_cut_off_at_its_own_timeout() -> None:
    shop = Shop(DATA, delays={"/users/3": 9.0})
    response, body, seconds = details(shop)
    assert seconds == pytest.approx(0.7)
    assert response.header("x-partial-response") == "customer"
    assert problem_of(body, "customer")["code"] == "upstream-timeout"
    assert (shop.cancelled, shop.in_flight) == (1, 0)


def test_what_needs_a_missing_part_is_missing_too_and_never_asked() -> None:
    parts = {
        **ORDER_DETAILS,
        "frame": {"service": "s", "path": "/frames/{avatar.frame}", "optional": True},
        "avatar": {"service": "s", "path": "/avatars/{customer.avatar}", "optional": True},
    }
    shop = Shop({**DATA, "/users/3": ConnectFailed()})
    response, body, _ = details(shop, parts=parts)
    assert response.header("x-partial-response") == "customer, frame, avatar"
    assert problem_of(body, "frame") == {
        "title": "It depends on another part",
        "status": 424,
        "code": "part-skipped",
        "detail": "it needs avatar, which is not there",
    }
    assert not [target for target in shop.asked if "avatars" in target or "frames" in target]


def test_an_optional_list_keeps_the_elements_that_came() -> None:
    parts = {**ORDER_DETAILS, "products": {**ORDER_DETAILS["products"], "optional": True}}
    answers = {**DATA, "/products/2": Response.json({}, 404)}
    response, body, _ = details(Shop(answers, delays={"/products/1": 0.5}), parts=parts)
    assert isinstance(body, dict)
    assert body["products"] == [DATA["/products/1"], None, DATA["/products/1"]]
    assert problem_of(body, "products")["items"] == [1]
    assert response.header("x-partial-response") == "products"


def test_what_needs_a_list_that_lacks_an_element_is_asked_for_the_others() -> None:
    parts = {
        **ORDER_DETAILS,
        "products": {**ORDER_DETAILS["products"], "optional": True},
        "makers": {"service": "s", "path": "/makers/{item}", "for_each": "products[*].id", "optional": True},
    }
    answers = {**DATA, "/products/2": Response.json({}, 404), "/makers/1": "M"}
    response, body, _ = details(Shop(answers), parts=parts)
    assert isinstance(body, dict)
    assert (body["makers"], response.header("x-partial-response")) == (["M", "M"], "products")


def test_an_optional_list_of_which_nothing_came_is_null() -> None:
    parts = {**ORDER_DETAILS, "products": {**ORDER_DETAILS["products"], "optional": True}}
    _, body, _ = details(Shop({path: DATA[path] for path in ("/orders/7", "/users/3")}), parts=parts)
    assert isinstance(body, dict)
    assert body["products"] is None


def test_a_defect_of_an_optional_part_does_not_take_the_others_along(caplog: pytest.LogCaptureFixture) -> None:
    response, _, _ = details(Shop({**DATA, "/users/3": KeyError("name")}))
    assert response.status == 200
    assert "defect in a call" in caplog.text


def test_a_call_that_is_cancelled_from_inside_is_a_failure_and_not_the_end_of_the_client() -> None:
    response, _, _ = details(Shop({**DATA, "/users/3": asyncio.CancelledError()}))
    assert response.header("x-partial-response") == "customer"


# Bodies that stream


def test_a_body_that_breaks_off_fails_the_part_and_is_closed() -> None:
    shop = Shop(DATA)
    shop.answers["/orders/7"] = shop.streamed([b'{"user_id"'], failure=UpstreamReset("cut"))
    response, body, _ = details(shop)
    assert (response.status, problem_of(body, "order")["code"], shop.open_bodies) == (502, "upstream-reset", 0)


def test_a_body_that_does_not_end_is_given_up_and_closed() -> None:
    shop = Shop(DATA)
    shop.answers["/orders/7"] = shop.streamed([b" " * 1000] * 10_000)
    response, _, _ = details(shop)
    assert (response.status, shop.open_bodies) == (502, 0)
    assert shop.chunks == 1049  # the first to be over 1 MiB


def test_a_body_that_is_slow_is_closed_when_the_client_goes() -> None:
    shop = Shop(DATA, delay=0.0)
    shop.answers["/orders/7"] = shop.streamed([b" "] * 100, pause=1.0)

    async def main() -> None:
        task = asyncio.ensure_future(aggregate(ORDER_DETAILS, shop)(GET, context_for(id="7")))
        await asyncio.sleep(5.5)
        assert shop.open_bodies == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert shop.open_bodies == 0

    simulated(main)


def test_who_is_cancelled_again_while_calls_end_still_waits_for_them() -> None:
    shop = Shop(DATA, farewell=1.0)

    async def main() -> float:
        task = asyncio.ensure_future(aggregate(ORDER_DETAILS, shop)(GET, context_for(id="7")))
        for _ in range(3):
            await asyncio.sleep(0.1)
            task.cancel()
        await asyncio.wait([task])
        assert (task.cancelled(), shop.in_flight) == (True, 0)
        return asyncio.get_running_loop().time()

    assert simulated(main) == pytest.approx(1.1)


# Bounds and time


def test_no_more_run_at_once_than_may() -> None:
    items = [{"product_id": number} for number in range(20)]
    shop = Shop({**{f"/products/{number}": number for number in range(20)}, "/orders/7": {"items": items}})
    parts = {"order": ORDER_DETAILS["order"], "products": ORDER_DETAILS["products"]}

    async def main() -> float:
        response = await aggregate(parts, shop, max_parallel=4)(GET, context_for(id="7"))
        body = json.loads(await response.read())
        assert body["products"] == [*range(20)]
        return asyncio.get_running_loop().time()

    assert simulated(main) == pytest.approx(0.2 + 5 * 0.2)
    assert shop.most_in_flight == 4


def test_each_call_knows_the_earliest_moment_at_which_nobody_waits_for_it() -> None:
    shop = Shop(DATA)
    details(shop, deadline=5.0)
    deadlines = {
        request.target: context.deadline for request, context in zip(shop.requests, shop.contexts, strict=True)
    }
    assert deadlines == {
        "/orders/7": 5_000_000_000,
        "/users/3": 700_000_000,
        "/products/1": 5_000_000_000,
        "/products/2": 5_000_000_000,
    }


def test_a_shared_call_lasts_as_long_as_the_most_patient_wants() -> None:
    parts: dict[str, Mapping[str, object]] = {
        "hasty": {"service": "s", "path": "/a", "optional": True, "timeout": "100ms"},
        "patient": {"service": "s", "path": "/a", "timeout": "1s"},
    }
    shop = Shop({"/a": 1})
    response, body, _ = details(shop, parts=parts)
    assert isinstance(body, dict)
    assert (body["hasty"], body["patient"], response.header("x-partial-response")) == (None, 1, "hasty")
    assert (shop.asked, shop.contexts[0].deadline) == (["/a"], 1_000_000_000)


def test_a_call_for_which_nobody_waits_any_more_is_cancelled_at_once() -> None:
    parts: dict[str, Mapping[str, object]] = {
        "hasty": {"service": "s", "path": "/a", "optional": True, "timeout": "100ms"},
        "other": {"service": "s", "path": "/b"},
    }
    shop = Shop({"/b": 1}, delays={"/a": 9.0, "/b": 1.0})

    async def main() -> None:
        task = asyncio.ensure_future(aggregate(parts, shop)(GET, context_for(id="7")))
        await asyncio.sleep(0.5)
        assert (shop.cancelled, shop.in_flight) == (1, 1)
        assert (await task).status == 200

    simulated(main)


def test_who_wants_what_has_just_been_cancelled_gets_a_call_of_its_own() -> None:
    parts: dict[str, Mapping[str, object]] = {
        "hasty": {"service": "s", "path": "/a", "optional": True, "timeout": "100ms"},
        "key": {"service": "s", "path": "/key"},
        "late": {"service": "s", "path": "/{key}"},
    }
    shop = Shop({"/key": "a", "/a": 1}, delays={"/key": 0.15}, farewell=0.1)
    response, body, _ = details(shop, parts=parts)
    assert isinstance(body, dict)
    assert (response.status, body["hasty"], body["late"], shop.asked) == (200, None, 1, ["/a", "/key", "/a"])


def test_the_routes_deadline_ends_all_parts() -> None:
    shop = Shop(DATA, delay=2.0)

    async def main() -> float:
        layer = DeadlineMiddleware(3.0, VirtualClock())
        with pytest.raises(DeadlineExceeded):
            await layer(GET, context_for(id="7"), aggregate(ORDER_DETAILS, shop))
        return asyncio.get_running_loop().time()

    assert simulated(main) == pytest.approx(3.0)
    assert shop.in_flight == 0


def test_a_part_that_is_always_late_opens_its_services_circuit() -> None:
    async def main() -> tuple[int, list[str], int]:
        clock, shop = VirtualClock(), Shop(DATA, delays={"/users/3": 9.0})
        breaker = CircuitBreaker(CountWindow(4), min_calls=2, failure_rate=0.5, open_for=10**10, half_open_calls=1)
        layer = CircuitBreakingMiddleware("users", breaker, clock=clock)
        transport = InProcessTransport({"http://u": shop})
        users = BackendService("users", [Endpoint("http://u")], transport, middleware=[layer], clock=clock)
        part = Part("customer", "users", Template.parse("/users/3"), optional=True, timeout=0.5)
        handler = Aggregator("route", Plan([part]), {"users": users}, clock)
        codes = []
        for _ in range(4):
            body = json.loads(await (await handler(GET, context_for())).read())
            codes.append(body["_problems"]["customer"]["code"])
        return layer.opened, codes, len(shop.asked)

    assert simulated(main) == (1, ["upstream-timeout", "upstream-timeout", "circuit-open", "circuit-open"], 2)


def test_facts_of_the_calls_are_in_the_clients_context() -> None:
    async def main() -> RequestContext:
        shop = Shop(DATA)
        transport = InProcessTransport({"http://s": shop})
        service = BackendService("s", [Endpoint("http://s")], transport, clock=VirtualClock())
        parts = [
            Part("a", "s", Template.parse("/orders/{id}")),
            Part("b", "s", Template.parse("/users/3")),
            Part("c", "s", Template.parse("/users/{a.user_id}?v=2"), optional=True),
        ]
        handler = Aggregator("route", Plan(parts, ["id"]), {"s": service}, VirtualClock())
        context = context_for(id="7")
        assert (await handler(GET, context)).status == 200
        assert [endpoint.in_flight for endpoint in service.endpoints] == [0]
        assert {each.attempts for each in shop.contexts} == {1}
        return context

    context = simulated(main)
    assert context.attempts == 3
    assert context.upstream_duration == 400_000_000  # two side by side count once
    assert context.service == "route"
    assert context.error == "part c (s): The service answered 404"


def test_parts_are_counted() -> None:
    async def main() -> Aggregator:
        shop = Shop(DATA)
        handler = aggregate(ORDER_DETAILS, shop)
        await handler(GET, context_for(id="7"))
        shop.answers["/users/3"] = ConnectFailed()
        await handler(GET, context_for(id="7"))
        return handler

    handler = simulated(main)
    counts = {name: (each.answered, each.failed, each.duration) for name, each in handler.counts.items()}
    assert counts == {
        "order": (2, 0, 400_000_000),
        "customer": (1, 1, 400_000_000),
        "products": (2, 0, 400_000_000),
    }
    assert handler.partial == 1


# Properties

_TARGETS = (*DATA, "/avatars/3")
_WIDE = {
    **ORDER_DETAILS,
    "customer": {**ORDER_DETAILS["customer"], "timeout": "10s"},
    "again": {"service": "user-service", "path": "/users/{order.user_id}"},
    "avatar": {"service": "a", "path": "/avatars/{customer.id}", "optional": True},
}
_delays = st.fixed_dictionaries({target: st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0]) for target in _TARGETS})


@settings(max_examples=60)
@given(delays=_delays, broken=st.sets(st.sampled_from(["/avatars/3"])))
def test_the_answer_does_not_depend_on_the_order_in_which_parts_come(
    delays: Mapping[str, float], broken: set[str]
) -> None:
    def answered(delays: Mapping[str, float]) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        shop = Shop({**DATA, "/avatars/3": "a.png", **dict.fromkeys(broken, Response.json({}, 500))}, delays=delays)
        response, _, _ = details(shop, parts=_WIDE)
        assert len(set(shop.asked)) == len(shop.asked)
        assert isinstance(response.body, bytes)
        return response.status, response.body, response.headers.pairs

    assert answered(delays) == answered({})


@settings(max_examples=80)
@given(
    delays=_delays,
    failures=st.dictionaries(
        st.sampled_from(_TARGETS), st.sampled_from(["500", "reset", "defect", "stream", "broken stream"]), max_size=3
    ),
    leaves=st.none() | st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.5]),
    twice=st.booleans(),
    max_parallel=st.integers(1, 4),
    farewell=st.sampled_from([0.0, 0.07]),
)
def test_whatever_fails_or_leaves_nothing_is_left_behind(
    delays: Mapping[str, float],
    failures: Mapping[str, str],
    leaves: float | None,
    twice: bool,
    max_parallel: int,
    farewell: float,
) -> None:
    shop = Shop({**DATA, "/avatars/3": "a.png"}, delays=delays, farewell=farewell)
    kinds: Mapping[str, object] = {
        "500": Response.json({}, 500),
        "reset": UpstreamReset("cut"),
        "defect": ZeroDivisionError(),
        "stream": shop.streamed([b"{", b"}"], pause=0.1),
        "broken stream": shop.streamed([b"{"], pause=0.1, failure=UpstreamReset("cut")),
    }
    shop.answers |= {target: kinds[kind] for target, kind in failures.items()}

    async def main() -> None:
        handler = aggregate(_WIDE, shop, max_parallel=max_parallel)
        task = asyncio.ensure_future(handler(GET, context_for(id="7")))
        if leaves is not None:
            await asyncio.sleep(leaves)
            task.cancel()
            if twice:
                await asyncio.sleep(0.01)
                task.cancel()
        done, _ = await asyncio.wait([task])
        assert done == {task}
        assert (shop.in_flight, shop.open_bodies) == (0, 0)
        if not task.cancelled():
            assert task.result().status in (200, 500, 502)

    simulated(main)
    assert shop.most_in_flight <= max_parallel
    assert len(set(shop.asked)) == len(shop.asked)


def _cached(value: object) -> Response:
    return Response.json(value, headers={"cache-control": "max-age=60"})
