"""Header filter: what is refused, what is wanted, what is dropped, and what always passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import ApiGateway, Request, RequestContext, Response, Route, Router
from api_gateway.core.errors import BadRequest, ConfigurationError
from api_gateway.middleware.header_filter import NEEDED, WRITTEN_HERE, HeaderDenied, HeaderFilterMiddleware

Lines = Sequence[tuple[str, str]]


def whatever(value: str) -> bool:
    return True


def exactly(wanted: str) -> Callable[[str], bool]:
    return lambda value: value == wanted


def matching(expression: str) -> Callable[[str], bool]:
    pattern = re.compile(expression)
    return lambda value: pattern.fullmatch(value) is not None


async def passed_on(layer: HeaderFilterMiddleware, headers: Lines) -> list[tuple[str, str]]:
    """The headers that the next layer sees."""
    seen: list[tuple[str, str]] = []

    async def service(request: Request, context: RequestContext) -> Response:
        seen.extend(request.headers)
        return Response()

    await layer(Request("GET", "/", headers), RequestContext(), service)
    return seen


# Deny.


async def test_a_request_with_a_denied_header_is_refused() -> None:
    layer = HeaderFilterMiddleware(deny=[("X-Original-URL", whatever)])
    for name in ("x-original-url", "X-ORIGINAL-URL"):
        with pytest.raises(HeaderDenied):
            await passed_on(layer, [(name, "/admin")])
    assert await passed_on(layer, [("accept", "*/*")]) == [("accept", "*/*")]
    assert layer.refused == 2


@pytest.mark.parametrize("holds", [exactly("bad"), matching("(?i)BA+D")])
async def test_a_value_can_be_denied_in_any_line(holds: Callable[[str], bool]) -> None:
    layer = HeaderFilterMiddleware(deny=[("user-agent", holds)])
    for lines in ([("user-agent", "bad")], [("user-agent", "good"), ("user-agent", "bad")]):
        with pytest.raises(HeaderDenied):
            await passed_on(layer, lines)
    assert await passed_on(layer, [("user-agent", "not bad"), ("x-agent", "bad")])


async def test_several_values_of_one_header_can_be_denied() -> None:
    layer = HeaderFilterMiddleware(deny=[("x-a", exactly("1")), ("X-A", exactly("2"))])
    for value in ("1", "2"):
        with pytest.raises(HeaderDenied):
            await passed_on(layer, [("x-a", value)])
    assert await passed_on(layer, [("x-a", "3")])


async def test_a_refusal_is_a_403_that_names_neither_header_nor_value() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response()

    layer = HeaderFilterMiddleware(deny=[("x-probe", matching("secret.*"))])
    gateway = ApiGateway(Router([Route("/*", "any")]), {"any": service}, [layer])
    response = await gateway.handle(Request("GET", "/", {"x-probe": "secret-1"}))
    assert response.status == 403
    body = await response.read()
    assert b'"header-denied"' in body
    assert b"probe" not in body
    assert b"secret" not in body


# Require.


async def test_a_request_without_a_required_header_is_told_its_name() -> None:
    layer = HeaderFilterMiddleware(require=[("X-Api-Version", whatever)])
    with pytest.raises(BadRequest, match=r"^The header x-api-version is required here\.$"):
        await passed_on(layer, [("accept", "*/*")])
    assert await passed_on(layer, [("x-api-version", "")]) == [("x-api-version", "")]
    assert layer.unmet == 1


async def test_every_line_of_a_required_header_must_be_right() -> None:
    layer = HeaderFilterMiddleware(require=[("x-tenant", matching("[a-z]+")), ("x-tenant", matching(".{1,3}"))])
    assert await passed_on(layer, [("x-tenant", "abc"), ("x-tenant", "d")])
    for lines in ([("x-tenant", "abcd")], [("x-tenant", "1")], [("x-tenant", "abc"), ("x-tenant", "1")]):
        with pytest.raises(BadRequest) as error:
            await passed_on(layer, lines)
        assert error.value.detail == "The header x-tenant has a value that is not accepted here."


# Allow.


async def test_what_is_not_allowed_is_dropped_and_the_request_served() -> None:
    layer = HeaderFilterMiddleware(allow=["Accept", "x-shop-*"])
    lines = [("accept", "*/*"), ("x-other", "1"), ("x-shop-a", "2"), ("x-shop", "3"), ("cookie", "4"), ("accept", "b")]
    assert await passed_on(layer, lines) == [("accept", "*/*"), ("x-shop-a", "2"), ("accept", "b")]


@pytest.mark.parametrize("name", sorted(name.decode() for name in NEEDED | WRITTEN_HERE))
async def test_what_the_gateway_says_and_what_gives_a_request_its_meaning_always_passes(name: str) -> None:
    layer = HeaderFilterMiddleware(allow=["accept"])
    assert await passed_on(layer, [(name, "1"), ("x-other", "2")]) == [(name, "1")]


async def test_where_nothing_is_dropped_the_request_is_the_same_object() -> None:
    request = Request("GET", "/", {"host": "a.test", "accept": "*/*"})
    seen: list[Request] = []

    async def service(request: Request, context: RequestContext) -> Response:
        seen.append(request)
        return Response()

    await HeaderFilterMiddleware(allow=["accept"])(request, RequestContext(), service)
    assert seen[0] is request


async def test_without_an_allow_list_nothing_is_dropped() -> None:
    layer = HeaderFilterMiddleware(deny=[("x-bad", whatever)])
    assert await passed_on(layer, [("x-any", "1"), ("cookie", "2")]) == [("x-any", "1"), ("cookie", "2")]


async def test_denied_counts_before_dropped() -> None:
    layer = HeaderFilterMiddleware(allow=["accept"], deny=[("x-bad", whatever)])
    with pytest.raises(HeaderDenied):
        await passed_on(layer, [("x-bad", "1")])


def test_a_filter_of_nothing_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="nothing to allow"):
        HeaderFilterMiddleware()


NAMES = st.sampled_from(["accept", "x-a", "x-ab", "x-shop-a", "host", "cookie", "x-request-id"])


@given(st.lists(st.tuples(NAMES, st.sampled_from("12")), max_size=8))
async def test_what_passes_is_what_was_there_less_what_is_not_allowed_in_its_order(
    lines: list[tuple[str, str]],
) -> None:
    layer = HeaderFilterMiddleware(allow=["x-a", "x-shop-*"])
    kept = [line for line in lines if line[0] in ("x-a", "x-shop-a", "host", "x-request-id")]
    assert await passed_on(layer, lines) == kept
