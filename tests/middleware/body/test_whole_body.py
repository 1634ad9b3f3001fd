"""Whole body: as long as it says, and never longer than allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api_gateway.core.errors import BadRequest, PayloadTooLarge
from api_gateway.core.request import Request
from api_gateway.middleware.body.whole_body import whole_body


class Upload:
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


async def read(upload: Upload | bytes, length: str | None = None, limit: int = 5) -> bytes:
    headers = {} if length is None else {"content-length": length}
    return await whole_body(Request("POST", "/", headers, upload), limit)


async def test_a_body_is_read_up_to_the_limit() -> None:
    assert await read(Upload(b"ab", b"", b"cde")) == b"abcde"
    assert await read(Upload(b"abcde"), "5") == b"abcde"
    assert await read(b"abcde") == b"abcde"


async def test_one_byte_too_many_is_refused_when_it_comes() -> None:
    upload = Upload(b"abc", b"def", b"never")
    with pytest.raises(PayloadTooLarge):
        await read(upload)
    assert upload.taken == 2
    with pytest.raises(PayloadTooLarge):
        await read(b"abcdef")


@pytest.mark.parametrize("length", ["6", "9" * 30])
async def test_an_announced_length_is_refused_before_a_byte_is_read(length: str) -> None:
    upload = Upload(b"a")
    with pytest.raises(PayloadTooLarge):
        await read(upload, length)
    assert upload.taken == 0


@pytest.mark.parametrize("length", ["4", "1", "-1", "+2", "x", "\u00b2", ""])
async def test_a_length_that_is_not_true_is_refused(length: str) -> None:
    with pytest.raises(BadRequest):
        await read(Upload(b"ab"), length)
