import asyncio
import math

import pytest

from benchmarks.open_loop import Connection, Generator, OpenLoad, answer_is_complete, quantile
from benchmarks.origin import ANSWER, OriginProtocol


def test_a_part_of_an_answer_is_not_complete() -> None:
    assert {answer_is_complete(ANSWER[:length]) for length in range(len(ANSWER))} == {False}


def test_a_whole_answer_is_complete() -> None:
    assert answer_is_complete(ANSWER) is True
    assert answer_is_complete(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n") is True


def test_more_than_one_answer_or_an_uncounted_one_is_refused() -> None:
    assert answer_is_complete(ANSWER + b"H") is None
    assert answer_is_complete(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n") is None
    assert answer_is_complete(b"HTTP/1.1 200 OK\r\n\r\ncontent-length: 5") is None


def test_a_quantile_is_a_value_that_was_seen() -> None:
    values = [float(number) for number in range(1, 101)]
    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.99) == 99
    assert quantile([7.0], 0.99) == 7
    assert quantile(values, 1.0) == 100
    assert math.isinf(quantile([], 0.5))


async def generate(protocol: type[asyncio.Protocol], rate: float, seconds: float, connections: int) -> OpenLoad:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await Generator(f"http://127.0.0.1:{port}/", rate, seconds).run(connections)


async def test_every_request_of_the_schedule_is_sent_and_answered() -> None:
    result = await generate(OriginProtocol, rate=500, seconds=0.4, connections=4)
    assert (result.requests, result.errors) == (200, 0)
    assert 0 < result.p50 <= result.p99 <= result.p999 <= result.longest
    assert result.rate < 550


class StallsOnce(OriginProtocol):
    """Answers at once, but for a pause of a quarter of a second after the first request."""

    stalled_until = 0.0

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if not StallsOnce.stalled_until:
            StallsOnce.stalled_until = loop.time() + 0.25
        loop.call_at(StallsOnce.stalled_until, super().data_received, data)


async def test_a_stall_shows_in_every_request_that_was_due_meanwhile() -> None:
    result = await generate(StallsOnce, rate=400, seconds=0.5, connections=1)
    assert result.errors == 0
    # Half of the requests were due in the stall, later ones ever less late: a closed loop would show one.
    assert result.longest >= 0.24
    assert result.p99 > 0.2
    assert result.sent_late_p99 < result.p99


class Refuses(OriginProtocol):
    def data_received(self, data: bytes) -> None:
        self._transport.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


async def test_another_status_is_an_error() -> None:
    result = await generate(Refuses, rate=200, seconds=0.1, connections=2)
    assert (result.requests, result.errors) == (20, 20)


class HangsUp(OriginProtocol):
    def data_received(self, data: bytes) -> None:
        self._transport.close()


async def test_lost_connections_are_errors_and_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.open_loop.GRACE", 0.1)
    result = await generate(HangsUp, rate=100, seconds=0.1, connections=2)
    assert (result.requests, result.errors, result.rate) == (10, 10, 0)


async def test_an_answer_nobody_asked_for_cuts_the_connection() -> None:
    class Unasked(OriginProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self._transport.write(ANSWER)

        def connection_lost(self, exc: Exception | None) -> None:
            cut.set_result(None)

    loop = asyncio.get_running_loop()
    cut = loop.create_future()
    server = await loop.create_server(Unasked, "127.0.0.1", 0)
    async with server:
        generator = Generator("http://127.0.0.1/", 1, 1)
        await loop.create_connection(lambda: Connection(generator), *server.sockets[0].getsockname())
        async with asyncio.timeout(5):
            await cut
