"""Request: a value that is never changed, only replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api_gateway.core.headers import Headers
from api_gateway.core.request import Request


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("target", "path", "query", "again"),
    [
        ("/a", "/a", "", "/a"),
        ("/a?b=1&c", "/a", "b=1&c", "/a?b=1&c"),
        ("/a?b?c", "/a", "b?c", "/a?b?c"),
        ("/a?", "/a", "", "/a"),
    ],
)
def test_a_target_is_split_at_the_first_question_mark(target: str, path: str, query: str, again: str) -> None:
    request = Request("GET", target)
    assert (request.path, request.query, request.target) == (path, query, again)


@pytest.mark.parametrize("name", ["method", "path", "query", "headers", "body", "anything"])
def test_a_request_cannot_be_changed(name: str) -> None:
    request = Request("GET", "/a")
    with pytest.raises(AttributeError):
        setattr(request, name, "x")


def test_a_changed_request_is_a_new_one_and_shares_the_rest() -> None:
    request = Request("POST", "/a?b=1", {"X-A": "1"}, b"body")
    moved = request.with_path("/c")
    assert (moved.method, moved.target, moved.headers, moved.body) == ("POST", "/c?b=1", request.headers, b"body")
    assert request.with_headers(Headers()).target == "/a?b=1"
    assert request.with_headers(Headers()).header("x-a") is None
    assert request.with_body(b"other").body == b"other"
    assert (request.target, request.header("x-a"), request.body) == ("/a?b=1", "1", b"body")


def test_bad_headers_are_refused_when_a_person_writes_them() -> None:
    with pytest.raises(ValueError, match="control character"):
        Request("GET", "/", {"x-a": "1\r\nx-b: 2"})


async def test_a_body_of_bytes_can_be_read_again_and_again() -> None:
    request = Request("POST", "/", body=b'{"a": 1}')
    assert await request.read() == await request.read() == b'{"a": 1}'
    assert [chunk async for chunk in request.stream()] == [b'{"a": 1}']
    assert await request.json() == {"a": 1}


async def test_an_empty_body_has_no_chunks() -> None:
    assert [chunk async for chunk in Request("GET", "/").stream()] == []


async def test_a_streamed_body_passes_chunk_by_chunk() -> None:
    assert [chunk async for chunk in Request("POST", "/", body=_chunks(b"a", b"b")).stream()] == [b"a", b"b"]
    assert await Request("POST", "/", body=_chunks(b"a", b"b")).read() == b"ab"
    assert await Request("POST", "/", body=_chunks(b"[1", b"]")).json() == [1]


async def test_a_body_that_is_not_json_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        await Request("POST", "/", body=b"<xml>").json()


def test_a_repr_shows_method_and_target_and_no_body() -> None:
    assert repr(Request("GET", "/a?b=1", body=b"secret")) == "<Request GET /a?b=1>"
