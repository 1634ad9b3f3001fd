"""Body limit: refused before, or at the first byte too many; exactly at the limit is not too many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import BadRequest, PayloadTooLarge
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.body_limit import BodyLimitMiddleware

LIMIT = 10


class Upload:
    """A streamed body that notes how much of it was taken."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


async def read_all(request: Request, context: RequestContext) -> Response:
    return Response(200, body=await request.read())


async def ask(body: Body, headers: Mapping[str, str] = {}) -> bytes:
    response = await BodyLimitMiddleware(LIMIT)(Request("POST", "/", headers, body), RequestContext(), read_all)
    return await response.read()


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_up_to_the_limit_the_body_passes_whole(size: int) -> None:
    body = b"x" * size
    assert await ask(body) == body
    assert await ask(Upload([body])) == body
    assert await ask(Upload([body]), {"content-length": str(size)}) == body


async def test_a_complete_body_over_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="larger than 10 bytes"):
        await ask(b"x" * (LIMIT + 1))


@pytest.mark.parametrize("length", ["11", "99999999999999999999", "9" * 5000])
async def test_an_announced_length_over_the_limit_is_refused_before_a_byte_is_read(length: str) -> None:
    upload = Upload([b"x" * 11])
    with pytest.raises(PayloadTooLarge):
        await ask(upload, {"content-length": length})
    assert upload.taken == 0


@pytest.mark.parametrize("length", ["-1", "+5", "5x", "", "0x5", "5, 5", "\xb2"])
async def test_a_length_that_is_no_number_is_a_bad_request(length: str) -> None:
    with pytest.raises(BadRequest):
        await ask(Upload([b"x"]), {"content-length": length})


async def test_a_stream_is_refused_at_the_first_byte_too_many_and_read_no_further() -> None:
    upload = Upload([b"x" * 6, b"x" * 4, b"x", b"never", b"never"])
    with pytest.raises(PayloadTooLarge):
        await ask(upload)
    assert upload.taken == 3


async def test_a_stream_longer_than_it_announced_is_held_to_the_limit_too() -> None:
    with pytest.raises(PayloadTooLarge):
        await ask(Upload([b"x" * 50]), {"content-length": "5"})


@given(st.lists(st.binary(max_size=4), max_size=8))
async def test_a_stream_passes_unchanged_exactly_when_it_fits(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    if len(whole) <= LIMIT:
        assert await ask(Upload(chunks)) == whole
    else:
        with pytest.raises(PayloadTooLarge):
            await ask(Upload(chunks))


async def test_a_response_is_not_limited() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response(200, body=b"x" * 1000)

    response = await BodyLimitMiddleware(LIMIT)(Request("GET", "/"), RequestContext(), service)
    assert len(await response.read()) == 1000
