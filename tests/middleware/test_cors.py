"""CORS: preflights, who may read what, what caches are told, and one policy only."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from api_gateway import ApiGateway, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.core.errors import ConfigurationError, RateLimited, Unauthenticated
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.cors import CorsMiddleware

PAGE = "https://app.example"
OTHER = "https://evil.example"
ONE = CorsMiddleware([PAGE])
ANYBODY = CorsMiddleware(["*"])


def answering(headers: Sequence[tuple[str, str]] = (), status: int = 200) -> Handler:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response(status, [*headers, ("x-method", request.method)])

    return service


def gateway_of(*layers: Middleware, service: Handler | None = None, methods: Sequence[str] = ()) -> ApiGateway:
    return ApiGateway(Router([Route("/*", "any", methods=methods)]), {"any": service or answering()}, layers)


async def ask(gateway: ApiGateway, method: str, *headers: tuple[str, str], path: str = "/") -> Response:
    return await gateway.handle(Request(method, path, [("host", "api.example"), *headers]))


def policy_of(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers if name.startswith("access-control-")}


def preflight(origin: str = PAGE, method: str = "PUT", *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("origin", origin), ("access-control-request-method", method), *more]


# Preflights.


async def test_a_preflight_is_answered_and_never_forwarded() -> None:
    response = await ask(gateway_of(ONE), "OPTIONS", *preflight())
    assert response.status == 204
    assert await response.read() == b""
    assert response.header("x-method") is None
    assert policy_of(response) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "DELETE, GET, HEAD, PATCH, POST, PUT",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
    }
    assert response.headers.tokens("vary") == [
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
    ]


async def test_a_preflight_is_told_the_policy_and_never_its_own_words() -> None:
    asked = preflight(PAGE, "EVIL", ("access-control-request-headers", "x-evil, x-other"))
    response = await ask(gateway_of(ONE), "OPTIONS", *asked)
    assert response.status == 204
    assert b"evil" not in b" ".join(value.lower() for _, value in response.headers.pairs)


async def test_a_preflight_of_another_origin_is_refused_without_a_policy() -> None:
    cors = CorsMiddleware([PAGE])
    response = await ask(gateway_of(cors), "OPTIONS", *preflight(OTHER))
    assert response.status == 403
    assert b'"origin-denied"' in await response.read()
    assert policy_of(response) == {}
    assert "Origin" in response.headers.tokens("vary")
    await ask(gateway_of(cors), "OPTIONS", *preflight())
    assert (cors.preflights, cors.preflights_refused) == (1, 1)


async def test_a_preflight_of_anybody_is_answered_with_a_star_and_no_name() -> None:
    for origin in (PAGE, OTHER, "null"):
        response = await ask(gateway_of(ANYBODY), "OPTIONS", *preflight(origin))
        assert response.status == 204
        assert response.header("access-control-allow-origin") == "*"


async def test_a_preflight_with_two_origins_is_of_none() -> None:
    response = await ask(gateway_of(ONE), "OPTIONS", *preflight(), ("origin", OTHER))
    assert response.status == 403
    assert policy_of(response) == {}


async def test_public_pages_are_not_let_into_private_networks() -> None:
    response = await ask(
        gateway_of(ONE), "OPTIONS", *preflight(PAGE, "GET", ("access-control-request-private-network", "true"))
    )
    assert response.status == 204
    assert "access-control-allow-private-network" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [[], [("origin", PAGE)], [("access-control-request-method", "PUT")]],
    ids=["bare", "with an origin", "with a method"],
)
async def test_options_that_is_no_preflight_goes_on(headers: list[tuple[str, str]]) -> None:
    response = await ask(gateway_of(ONE), "OPTIONS", *headers)
    assert response.status == 200
    assert response.header("x-method") == "OPTIONS"


async def test_a_request_that_only_carries_a_preflights_headers_goes_on() -> None:
    response = await ask(gateway_of(ONE), "POST", *preflight())
    assert response.header("x-method") == "POST"


async def test_a_preflight_needs_no_route_and_no_authentication() -> None:
    async def nobody(request: Request, context: RequestContext, call_next: Handler) -> Response:
        raise Unauthenticated(challenges=["Bearer"])

    response = await ask(gateway_of(ONE, nobody, methods=["GET"]), "OPTIONS", *preflight(), path="/nowhere")
    assert response.status == 204


async def test_on_a_route_a_preflight_comes_as_far_as_the_routes_methods_let_it() -> None:
    def gateway(*methods: str) -> ApiGateway:
        return ApiGateway(Router([Route("/*", "any", methods=methods, middleware=[ONE])]), {"any": answering()})

    assert (await ask(gateway("GET", "OPTIONS"), "OPTIONS", *preflight())).status == 204
    assert (await ask(gateway(), "OPTIONS", *preflight())).status == 204
    assert (await ask(gateway("GET"), "OPTIONS", *preflight())).status == 405


# Answers.


async def test_an_allowed_origin_is_named_and_another_is_served_without() -> None:
    allowed = await ask(gateway_of(ONE), "GET", ("origin", PAGE))
    assert policy_of(allowed) == {"access-control-allow-origin": PAGE}
    other = await ask(gateway_of(ONE), "POST", ("origin", OTHER))
    assert other.status == 200
    assert policy_of(other) == {}


async def test_credentials_and_exposed_headers_go_to_allowed_origins_only() -> None:
    gateway = gateway_of(CorsMiddleware([PAGE], credentials=True, expose_headers=["x-total", "x-page"]))
    assert policy_of(await ask(gateway, "GET", ("origin", PAGE))) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-total, x-page",
    }
    assert policy_of(await ask(gateway, "GET", ("origin", OTHER))) == {}
    asked = policy_of(await ask(gateway, "OPTIONS", *preflight()))
    assert asked["access-control-allow-credentials"] == "true"
    assert "access-control-expose-headers" not in asked


@pytest.mark.parametrize("headers", [[], [("origin", PAGE)], [("origin", OTHER)], [("origin", "null")]])
@pytest.mark.parametrize("status", [200, 304, 404, 500])
async def test_every_answer_varies_by_origin(headers: list[tuple[str, str]], status: int) -> None:
    response = await ask(gateway_of(ONE, service=answering(status=status)), "GET", *headers)
    assert response.headers.get_all("vary") == ["Origin"]


@pytest.mark.parametrize("headers", [[], [("origin", PAGE)]])
async def test_an_answer_for_everybody_is_the_same_for_everybody(headers: list[tuple[str, str]]) -> None:
    response = await ask(gateway_of(ANYBODY), "GET", *headers)
    assert policy_of(response) == {"access-control-allow-origin": "*"}
    assert "vary" not in response.headers


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["accept-encoding"], ["accept-encoding", "Origin"]),
        (["accept-encoding, origin"], ["accept-encoding, origin"]),
        (["accept", "Origin"], ["accept", "Origin"]),
        (["x-original"], ["x-original", "Origin"]),
        (["*"], ["*"]),
    ],
)
async def test_what_the_service_varies_by_stays_and_nothing_is_said_twice(
    given: list[str], expected: list[str]
) -> None:
    service = answering([("vary", value) for value in given])
    response = await ask(gateway_of(ONE, service=service), "GET", ("origin", PAGE))
    assert response.headers.get_all("vary") == expected


@pytest.mark.parametrize("origin", [PAGE, OTHER])
async def test_the_services_own_policy_is_replaced(origin: str) -> None:
    service = answering(
        [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-secret"),
            ("access-control-allow-private-network", "true"),
            ("x-access-control-not", "1"),
        ]
    )
    response = await ask(gateway_of(ONE, service=service), "GET", ("origin", origin))
    assert policy_of(response) == ({"access-control-allow-origin": PAGE} if origin == PAGE else {})
    assert response.header("x-access-control-not") == "1"


async def test_of_two_policies_the_outer_counts() -> None:
    response = await ask(gateway_of(ONE, ANYBODY), "GET", ("origin", PAGE))
    assert response.headers.get_all("access-control-allow-origin") == [PAGE]
    assert response.headers.get_all("vary") == ["Origin"]


@pytest.mark.parametrize(
    "error", [Unauthenticated(challenges=["Bearer"]), RateLimited(headers=Headers({"retry-after": "3"}))]
)
async def test_a_page_can_read_the_gateways_own_refusals(error: Exception) -> None:
    async def refuses(request: Request, context: RequestContext, call_next: Handler) -> Response:
        raise error

    response = await ask(gateway_of(ONE, refuses), "GET", ("origin", PAGE))
    assert response.status in (401, 429)
    assert response.header("access-control-allow-origin") == PAGE
    assert response.header("www-authenticate") or response.header("retry-after")
    assert response.headers.get_all("vary") == ["Origin"]


async def test_a_page_can_read_that_there_is_no_route_or_not_for_its_method() -> None:
    gateway = ApiGateway(Router([Route("/a", "any", methods=["GET"])]), {"any": answering()}, [ONE])
    for method, path, status in (("GET", "/b", 404), ("PUT", "/a", 405)):
        response = await ask(gateway, method, ("origin", PAGE), path=path)
        assert response.status == status
        assert response.header("access-control-allow-origin") == PAGE


async def test_a_refusal_tells_another_origin_nothing() -> None:
    response = await ask(gateway_of(ONE, methods=["GET"]), "PUT", ("origin", OTHER))
    assert response.status == 405
    assert policy_of(response) == {}


async def test_the_answer_of_one_page_does_not_leak_into_that_of_another() -> None:
    gateway = gateway_of(CorsMiddleware([PAGE, "https://b.example"], credentials=True))
    for origin in (PAGE, "https://b.example", PAGE):
        response = await ask(gateway, "GET", ("origin", origin))
        assert response.headers.get_all("access-control-allow-origin") == [origin]
        assert len(policy_of(response)) == 2


@pytest.mark.parametrize(
    "options", [{"origins": ["*"]}, {"methods": ["*"]}, {"allow_headers": ["*"]}, {"expose_headers": ["*"]}]
)
def test_a_star_and_credentials_are_never_combined(options: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        CorsMiddleware(**{"origins": [PAGE], **options}, credentials=True)  # type: ignore[arg-type]


async def test_without_credentials_a_star_is_told_as_it_is() -> None:
    cors = CorsMiddleware([PAGE], allow_headers=["*", "authorization"], methods=["*"], max_age=0)
    told = policy_of(await ask(gateway_of(cors), "OPTIONS", *preflight()))
    assert told["access-control-allow-headers"] == "*, authorization"
    assert told["access-control-allow-methods"] == "*"
    assert told["access-control-max-age"] == "0"
