"""Repeatable: a stream remembers that it was touched, and is not touched by being looked at."""

from __future__ import annotations

import pytest

from api_gateway.core.request import IDEMPOTENT_METHODS
from api_gateway.middleware.repeatable import UntouchedBody
from tests.support.attempts import chunks


def test_the_idempotent_methods_are_those_of_rfc_9110() -> None:
    assert {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"} == IDEMPOTENT_METHODS


async def test_a_body_is_touched_by_its_first_chunk_and_not_before() -> None:
    body = UntouchedBody(chunks(b"a", b"b"))
    stream = aiter(body)
    assert not body.touched
    assert await anext(stream) == b"a"
    assert body.touched
    assert [chunk async for chunk in body] == [b"b"]


async def test_an_empty_body_is_touched_too() -> None:
    body = UntouchedBody(chunks())
    with pytest.raises(StopAsyncIteration):
        await anext(body)
    assert body.touched
