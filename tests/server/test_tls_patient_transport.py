"""How a TLS connection ends: with everything that a slow client has yet to take, and not waiting for a silent one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.server.tls import patient_transport
from api_gateway.server.tls.patient_transport import PatientTransport
from tests.support.gateway_server import on_both_loops, until
from tests.support.tls import DEADLINE, CertificateFiles, serving, trusting, who

BIG = b"x" * (8 * 1024 * 1024)


@on_both_loops
async def test_a_slow_client_gets_the_whole_of_a_last_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    look = PatientTransport._look

    def noted(self: PatientTransport) -> None:
        left.append(self.get_write_buffer_size())
        look(self)

    async def big(request: Request, context: RequestContext) -> Response:
        return Response(200, {}, BIG)

    monkeypatch.setattr(patient_transport, "FAREWELL", 0.02)
    monkeypatch.setattr(PatientTransport, "_look", noted)
    config = CertificateFiles(tmp_path).config()
    async with (
        serving(big, config) as server,
        server.connection(trusting(), limit=1024, receive_buffer=65536) as client,
    ):
        client.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await until(lambda: len(left) >= 5)  # it has had five times the time to take it
        assert left[0] > len(BIG) // 10  # what is left can be seen, so that progress can
        monkeypatch.setattr(patient_transport, "FAREWELL", 60.0)  # the last 200 KiB are not what is asked about
        answer = await client.rest()
        assert len(answer.partition(b"\r\n\r\n")[2]) == len(BIG)


@on_both_loops
async def test_a_drain_does_not_wait_for_a_client_that_never_confirms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_transport, "FAREWELL", 0.02)
    config = CertificateFiles(tmp_path).config()
    async with serving(who, config) as server, server.connection(trusting()) as client:
        assert await client.ask() == b"https -"
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's is a whole transport
        async with asyncio.timeout(1):
            await server.server.drain(3600.0)


@on_both_loops
async def test_an_answer_before_the_end_of_an_upload_arrives(tmp_path: Path) -> None:
    async def early(request: Request, context: RequestContext) -> Response:
        return Response(413, {}, b"too much")

    config = CertificateFiles(tmp_path).config()
    async with serving(early, config) as server, server.connection(trusting()) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            for _ in range(20):
                client.writer.write(b"x" * 50_000)
                await client.writer.drain()  # raises where the gateway has gone already
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
            assert await client.reader.readexactly(8) == b"too much"


@on_both_loops
async def test_a_long_answer_and_a_long_upload_pass_unharmed(tmp_path: Path) -> None:
    async def echo(request: Request, context: RequestContext) -> Response:
        return Response(200, {}, b"%d" % len(await request.read()) + BIG)

    config = CertificateFiles(tmp_path).config()
    async with serving(echo, config) as server, server.connection(trusting()) as client:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BIG)
        assert await client.ask(head + BIG) == b"%d" % len(BIG) + BIG
        assert await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") == b"0" + BIG
