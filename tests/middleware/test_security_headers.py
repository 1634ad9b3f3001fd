"""Security headers: what is added and removed, what stays as the service has it, and what https changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from api_gateway import ApiGateway, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.core.errors import ConfigurationError, Forbidden
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.security_headers import DEFAULTS, SecurityHeadersMiddleware

GET = Request("GET", "/")
OVER_HTTP = {name: value for name, value in DEFAULTS.items() if name != "strict-transport-security"}


async def answered(
    layer: SecurityHeadersMiddleware, headers: Sequence[tuple[str, str]] = (), scheme: str = "https"
) -> list[tuple[str, str]]:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response(200, headers)

    response = await layer(GET, RequestContext(scheme=scheme), service)
    return list(response.headers)


async def test_by_default_an_answer_over_https_gets_what_suits_an_api() -> None:
    assert await answered(SecurityHeadersMiddleware(), [("content-type", "application/json")]) == [
        ("content-type", "application/json"),
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ]


async def test_over_http_there_is_no_word_of_https() -> None:
    assert dict(await answered(SecurityHeadersMiddleware(), scheme="http")) == OVER_HTTP
    assert dict(await answered(SecurityHeadersMiddleware(), [("server", "x")], scheme="http")) == OVER_HTTP


async def test_only_a_trusted_proxy_can_say_that_it_is_https() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response()

    gateway = ApiGateway(
        Router([Route("/*", "any")]),
        {"any": service},
        [ForwardedMiddleware(["10.0.0.0/8"]), SecurityHeadersMiddleware()],
    )
    request = Request("GET", "/", {"host": "a.test", "x-forwarded-proto": "https"})
    for peer, expected in (("10.0.0.1", True), ("192.0.2.1", False)):
        response = await gateway.handle(request, RequestContext(0, peer, "http", "1.1"))
        assert ("strict-transport-security" in response.headers) is expected


async def test_what_tells_of_the_service_is_removed_every_line_of_it() -> None:
    got = await answered(
        SecurityHeadersMiddleware({}), [("server", "a/1"), ("x-powered-by", "b"), ("server", "c"), ("x-server", "d")]
    )
    assert got == [("x-server", "d")]


async def test_other_names_can_be_removed_instead() -> None:
    layer = SecurityHeadersMiddleware({}, ["X-Internal"])
    assert await answered(layer, [("server", "a"), ("x-internal", "b")]) == [("server", "a")]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", [*DEFAULTS])
async def test_what_the_service_has_set_stays(name: str, scheme: str) -> None:
    got = await answered(SecurityHeadersMiddleware(), [(name, "its own")], scheme)
    assert [value for field, value in got if field == name] == ["its own"]


@pytest.mark.parametrize("name", [*DEFAULTS])
async def test_with_override_ours_replaces_it(name: str) -> None:
    got = await answered(SecurityHeadersMiddleware(override=True), [(name, "its own"), (name, "twice"), ("x", "y")])
    assert [value for field, value in got if field == name] == [DEFAULTS[name]]
    assert dict(got) == {**DEFAULTS, "x": "y"}


async def test_over_http_even_override_says_nothing_of_https() -> None:
    got = await answered(SecurityHeadersMiddleware(override=True), [("x-frame-options", "SAMEORIGIN")], "http")
    assert dict(got) == OVER_HTTP


@pytest.mark.parametrize(
    ("given", "absent"),
    [
        (("x-frame-options", "SAMEORIGIN"), "content-security-policy"),
        (("content-security-policy", "frame-ancestors 'self'"), None),
    ],
)
async def test_the_default_of_framing_is_not_added_against_what_the_service_said(
    given: tuple[str, str], absent: str | None
) -> None:
    got = await answered(SecurityHeadersMiddleware(), [given])
    assert given in got
    assert absent is None or absent not in dict(got)


async def test_a_policy_that_says_more_than_framing_is_added_beside_the_services_framing() -> None:
    layer = SecurityHeadersMiddleware({"content-security-policy": "frame-ancestors 'none'; default-src 'none'"})
    assert "content-security-policy" in dict(await answered(layer, [("x-frame-options", "SAMEORIGIN")]))


async def test_the_gateways_own_refusals_have_them_and_keep_their_own() -> None:
    async def refuses(request: Request, context: RequestContext, call_next: Handler) -> Response:
        raise Forbidden

    gateway = ApiGateway(Router([]), {}, [SecurityHeadersMiddleware(), refuses])
    response = await gateway.handle(GET)
    assert response.status == 403
    assert response.header("content-type") == "application/problem+json"
    assert {name: response.header(name) for name in OVER_HTTP} == OVER_HTTP
    response = await ApiGateway(Router([]), {}, [SecurityHeadersMiddleware()]).handle(GET)
    assert response.status == 404
    assert response.header("x-content-type-options") == "nosniff"


async def test_one_answer_does_not_change_the_next() -> None:
    layer = SecurityHeadersMiddleware()
    first = await answered(layer)
    assert "content-security-policy" not in dict(await answered(layer, [("x-frame-options", "SAMEORIGIN")]))
    first.append(("x", "y"))
    assert dict(await answered(layer)) == DEFAULTS


@pytest.mark.parametrize(
    ("headers", "remove", "said"),
    [
        ({"x": "a\r\nset-cookie: b"}, [], "control character"),
        ({"a b": "c"}, [], "not a header name"),
        ({}, ["a b"], "not a header name"),
        ({"x-a": "b"}, ["X-A"], "x-a is both set and removed"),
    ],
)
def test_what_cannot_be_a_header_is_a_configuration_error(
    headers: Mapping[str, str], remove: Sequence[str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        SecurityHeadersMiddleware(headers, remove)
