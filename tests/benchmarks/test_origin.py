import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.origin import ANSWER, BODY, OriginProtocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def origin() -> AsyncIterator[Streams]:
    server = await asyncio.get_running_loop().create_server(OriginProtocol, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()
        await writer.wait_closed()


def test_the_body_is_150_bytes() -> None:
    assert len(BODY) == 150


async def test_each_request_gets_one_answer_on_one_connection(origin: Streams) -> None:
    reader, writer = origin
    for _ in range(3):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_a_request_in_pieces_and_one_behind_it_are_two(origin: Streams) -> None:
    reader, writer = origin
    for piece in (b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"\nGET / HT", b"TP/1.1\r\nHost: a\r\n", b"\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    assert await reader.readexactly(2 * len(ANSWER)) == ANSWER * 2
    writer.write_eof()
    assert await reader.read() == b""
