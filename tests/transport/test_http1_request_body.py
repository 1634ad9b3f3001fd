"""An upload on the wire: the bytes, and nothing beyond what was announced."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import BadRequest
from api_gateway.transport.http1.request_body import send_chunked, send_counted

CHUNKS = st.lists(st.binary(max_size=40), max_size=8)


class Wire:
    """A socket that takes everything; `waits` counts how often the upload asked for room."""

    def __init__(self) -> None:
        self.sent = b""
        self.waits = 0

    def write(self, data: bytes) -> None:
        self.sent += data

    async def writable(self) -> None:
        self.waits += 1


async def stream(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(CHUNKS)
async def test_a_chunked_body_decodes_to_what_was_sent(chunks: list[bytes]) -> None:
    wire = Wire()
    await send_chunked(stream(chunks), wire)
    rest, decoded = wire.sent, b""
    while rest != b"0\r\n\r\n":
        size, _, rest = rest.partition(b"\r\n")
        assert int(size, 16) > 0
        decoded += rest[: int(size, 16)]
        assert rest[int(size, 16) :][:2] == b"\r\n"
        rest = rest[int(size, 16) + 2 :]
    assert decoded == b"".join(chunks)
    assert wire.waits == len([chunk for chunk in chunks if chunk])


@given(CHUNKS, st.integers(-3, 3))
async def test_a_counted_body_never_sends_more_than_its_length(chunks: list[bytes], lie: int) -> None:
    whole = b"".join(chunks)
    length = max(0, len(whole) + lie)
    wire = Wire()
    if length == len(whole):
        await send_counted(stream(chunks), length, wire)
        assert wire.sent == whole
    else:
        with pytest.raises(BadRequest):
            await send_counted(stream(chunks), length, wire)
        assert whole.startswith(wire.sent)
        assert len(wire.sent) <= length
