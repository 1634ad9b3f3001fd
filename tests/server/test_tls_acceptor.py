"""The TLS listener's front: handshakes, those that fail, and those that never end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import trustme

from api_gateway import Request, RequestContext, Response
from api_gateway.server import edge_protocol
from api_gateway.server.sockets import listen
from api_gateway.server.tls import acceptor
from api_gateway.server.tls.handshake import log_unreadable_names
from api_gateway.server.tls.listener_context import load_store
from tests.support.gateway_server import on_both_loops, until
from tests.support.tls import GET, CertificateFiles, issue, serving, trusting, who


def _complaints() -> list[Any]:
    """What the running loop complains of from now on: a traceback in production."""
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: heard.append(complaint))
    return heard


def _old_client() -> ssl.SSLContext:
    context: ssl.SSLContext = trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@on_both_loops
async def test_a_request_over_tls_is_answered(tmp_path: Path) -> None:
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        async with server.connection(trusting()) as client:
            assert await client.ask() == b"https -"
            assert await client.ask() == b"https -"
            assert client.tls.version() == "TLSv1.3"
            assert client.tls.compression() is None
        assert server.server.handshake_failures == 0


async def test_tls_1_2_is_spoken_with_forward_secrecy_only(tmp_path: Path) -> None:
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        async with server.connection(context) as client:
            cipher = client.tls.cipher()
            assert client.tls.version() == "TLSv1.2"
            assert cipher is not None
            assert cipher[0].startswith("ECDHE-")
        context.set_ciphers("ECDHE+AES+SHA:AES256-GCM-SHA384")
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            await server.ask(context)


def test_what_has_been_attacked_is_off(tmp_path: Path) -> None:
    context = load_store(CertificateFiles(tmp_path).config()).context
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    weak = [name for cipher in context.get_ciphers() if not _is_modern(name := cipher["name"])]
    assert weak == []


def _is_modern(cipher: str) -> bool:
    return cipher.startswith(("TLS_", "ECDHE-")) and ("GCM" in cipher or "POLY1305" in cipher)


async def test_min_version_1_3_refuses_1_2(tmp_path: Path) -> None:
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(who, CertificateFiles(tmp_path).config(min_version="1.3")) as server:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await server.ask(context)
        assert await server.ask(trusting()) == b"https -"


@on_both_loops
async def test_tls_1_1_is_refused_with_an_alert_and_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api_gateway.tls")
    complaints = _complaints()
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await server.ask(_old_client())
        await until(lambda: server.server.handshake_failures == 1)
        assert await server.ask(trusting()) == b"https -"
    assert caplog.messages == ["no TLS with 127.0.0.1: unsupported protocol"]
    assert complaints == []


@on_both_loops
async def test_http_1_1_is_what_a_client_of_http_2_gets(tmp_path: Path) -> None:
    context = trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        serving(who, CertificateFiles(tmp_path).config()) as server,
        server.connection(context) as client,
    ):
        assert client.tls.selected_alpn_protocol() == "http/1.1"


@on_both_loops
async def test_plain_http_gets_a_plain_400(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api_gateway.tls")
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        async with server.connection(None) as client:
            client.writer.write(GET)
            answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"plain HTTP" in answer
        assert await server.ask(trusting()) == b"https -"
    assert caplog.messages == ["no TLS with 127.0.0.1: this is not TLS"]


@on_both_loops
async def test_a_client_that_says_nothing_is_left_in_time(tmp_path: Path) -> None:
    complaints = _complaints()
    config = CertificateFiles(tmp_path).config(handshake_timeout="30ms")
    async with serving(who, config) as server, server.connection(None) as client:
        assert await client.rest() == b""
        assert server.server.handshake_failures == 1
    assert complaints == []


@on_both_loops
async def test_a_client_that_stops_in_its_hello_is_left_in_time(tmp_path: Path) -> None:
    complaints = _complaints()
    config = CertificateFiles(tmp_path).config(handshake_timeout="30ms")
    async with serving(who, config) as server, server.connection(None) as client:
        client.writer.write(b"\x16\x03\x01\x02")
        assert await client.rest() == b""
    assert complaints == []


@on_both_loops
async def test_a_client_that_leaves_in_its_hello_is_a_line_and_one_that_says_nothing_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api_gateway.tls")
    complaints = _complaints()
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        async with server.connection(None):
            pass  # aborted
        async with server.connection(None) as client:
            client.writer.write(b"\x16\x03\x01")
        await until(lambda: server.server.handshake_failures == 1)
        assert await server.ask(trusting()) == b"https -"
    assert caplog.messages == ["no TLS with 127.0.0.1: the client left"]
    assert complaints == []


async def test_silent_clients_cannot_keep_out_one_that_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "MOST_HANDSHAKES", 20)
    async with serving(who, CertificateFiles(tmp_path).config(handshake_timeout="1h")) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(25)]
        assert await server.ask(trusting()) == b"https -"
        for reader, _ in silent[:5]:
            assert await asyncio.wait_for(reader.read(), 2) == b""
        for _, writer in silent:
            writer.transport.abort()


async def test_a_flood_of_failures_is_counted_but_not_all_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api_gateway.tls")
    monkeypatch.setattr(acceptor, "MOST_LINES", 1)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 1000.5)
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        for _ in range(3):
            async with server.connection(None) as client:
                client.writer.write(GET)
                await client.rest()
        await until(lambda: server.server.handshake_failures == 3)
    assert len(caplog.messages) == 1


async def test_a_connection_that_comes_with_the_end_is_closed(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as listener:
        front = acceptor.TlsAcceptor(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), asyncio.Protocol, 10.0)
        front.start(listener)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        await until(lambda: front.handshakes)
        await front.close()
        assert front.handshakes == 0
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()
        await front.close()


async def test_no_file_descriptors_is_an_error_in_the_log_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    accept, failing = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError()]

    async def sometimes(listener: socket.socket) -> Any:
        if failing:
            raise failing.pop()
        return await accept(listener)

    monkeypatch.setattr(acceptor, "_PAUSE", 0.01)
    monkeypatch.setattr(loop, "sock_accept", sometimes)
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        assert await server.ask(trusting()) == b"https -"
    assert failing == []
    assert caplog.messages == ["cannot accept connections: Too many open files"]


@on_both_loops
async def test_a_drain_does_not_wait_for_handshakes(tmp_path: Path) -> None:
    complaints = _complaints()
    async with (
        serving(who, CertificateFiles(tmp_path).config(handshake_timeout="1h")) as server,
        server.connection(None) as silent,
        server.connection(None) as halfway,
    ):
        halfway.writer.write(b"\x16\x03\x01\x02")
        assert await server.ask(trusting()) == b"https -"  # both are accepted by now
        async with asyncio.timeout(2):
            await server.server.drain(3600.0)
        assert await silent.rest() == b""
        assert await halfway.rest() == b""
    assert complaints == []


@on_both_loops
async def test_a_drain_lets_a_running_request_finish(tmp_path: Path) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def held(request: Request, context: RequestContext) -> Response:
        asked.set()
        await release.wait()
        return Response(200, {}, b"held")

    async with serving(held, CertificateFiles(tmp_path).config()) as server, server.connection(trusting()) as client:
        answer = asyncio.create_task(client.ask())
        await asked.wait()
        drain = asyncio.create_task(server.server.drain(3600.0))
        await asyncio.sleep(0)
        release.set()
        assert await answer == b"held"
        client.writer.close()
        async with asyncio.timeout(3):
            await drain


@on_both_loops
async def test_a_malformed_body_in_the_middle_of_an_answer_cuts_it(tmp_path: Path) -> None:
    """An abort from within `data_received`, which asyncio's TLS layer used to trip over."""
    complaints = _complaints()

    async def streaming(request: Request, context: RequestContext) -> Response:
        async def body() -> Any:
            yield b"first"
            await asyncio.Event().wait()

        return Response(200, {}, body())

    config = CertificateFiles(tmp_path).config()
    async with serving(streaming, config) as server, server.connection(trusting()) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.reader.readuntil(b"first\r\n")
        client.writer.write(b"zz\r\n")
        with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(2):
                await client.reader.readuntil(b"0\r\n\r\n")
    assert complaints == []


@on_both_loops
async def test_a_refused_request_is_answered_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_protocol, "LINGER", 0.2)  # what the end of the answer waits for
    complaints = _complaints()
    async with serving(who, CertificateFiles(tmp_path).config()) as server, server.connection(trusting()) as client:
        client.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n folded: 1\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
    assert complaints == []


async def test_a_server_name_that_is_not_ascii_is_a_line_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "api_gateway.tls")
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # to be put back
    log_unreadable_names()
    config = CertificateFiles(tmp_path).several(issue(dns=["a.example"]), issue(dns=["b.example"]))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = trusting(trustme.CA()).wrap_bio(incoming, outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    async with serving(who, config) as server:
        async with server.connection(None) as client:
            client.writer.write(outgoing.read().replace(b"a.example", b"\xff.example"))
            assert (await client.rest())[:1] == b"\x15"  # an alert
        assert await server.ask(trusting(), "a.example") == b"https -"
    assert caplog.messages[0] == "a client asks for a server name that is not ASCII"
