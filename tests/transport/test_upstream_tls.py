"""TLS towards services: whom the gateway believes, and what it shows, over both transports."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from api_gateway import Request, RequestContext
from api_gateway.build import build_gateway
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.httpx_transport import HttpxTransport
from api_gateway.transport.transport import Transport
from api_gateway.transport.upstream_tls import UpstreamTls, UpstreamTlsOptions
from tests.support.certificates import AUTHORITY
from tests.support.tls import CertificateFiles, Pair, client_pair, issue

OTHER = trustme.CA()
INTERNAL = issue(dns=["billing.internal"])
LOCAL = issue(addresses=["127.0.0.1"])

TRANSPORTS: list[Any] = [
    pytest.param(lambda tls: Http1Transport(tls=tls), id="http1"),
    pytest.param(lambda tls: HttpxTransport(tls=tls), id="httpx"),
]
Make = Callable[[UpstreamTls], Transport]


class Service:
    """Answers every request with the name in the caller's certificate, and notes the server names asked for."""

    def __init__(self) -> None:
        self.names: list[str | None] = []
        self.url = ""


@asynccontextmanager
async def _service(
    directory: Path, pair: Pair, clients: trustme.CA | None = None, *, keep: bool = True
) -> AsyncIterator[Service]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*CertificateFiles(directory).pair("service", pair))
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    service = Service()
    context.sni_callback = lambda _connection, name, _context: service.names.append(name)
    writers: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                certificate = writer.get_extra_info("peercert")
                body = certificate["subject"][0][0][1].encode() if certificate else b"-"
                end = b"" if keep else b"connection: close\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (end, len(body), body))
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    service.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def _closing(transport: Transport) -> AsyncIterator[Transport]:
    try:
        yield transport
    finally:
        await transport.close()
        await asyncio.sleep(0)


async def _ask(transport: Transport, service: Service) -> bytes:
    response = await transport.send(service.url, Request("GET", "/"), RequestContext())
    return await response.read()


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return CertificateFiles(tmp_path)


@pytest.mark.parametrize("make", TRANSPORTS)
async def test_an_authority_of_our_own_is_enough(files: CertificateFiles, make: Make) -> None:
    tls = UpstreamTls(UpstreamTlsOptions(ca_file=files.authority_file(AUTHORITY)))
    async with _service(files.directory, LOCAL) as service, _closing(make(tls)) as transport:
        assert await _ask(transport, service) == b"-"


@pytest.mark.parametrize("make", TRANSPORTS)
@pytest.mark.parametrize(
    ("pair", "cause"),
    [
        (INTERNAL, "IP address mismatch|not valid for"),
        (issue(addresses=["127.0.0.1"], lasts=timedelta(days=-1)), "certificate has expired"),
        (issue(authority=OTHER, addresses=["127.0.0.1"]), "unable to get local issuer certificate|self-signed"),
    ],
)
async def test_a_service_that_cannot_prove_itself_is_not_asked(
    files: CertificateFiles, make: Make, pair: Pair, cause: str
) -> None:
    tls = UpstreamTls(UpstreamTlsOptions(ca_file=files.authority_file(AUTHORITY)))
    async with _service(files.directory, pair) as service, _closing(make(tls)) as transport:
        with pytest.raises(ConnectFailed, match=cause):
            await _ask(transport, service)


@pytest.mark.parametrize("make", TRANSPORTS)
async def test_the_systems_authorities_do_not_know_ours(files: CertificateFiles, make: Make) -> None:
    async with (
        _service(files.directory, LOCAL) as service,
        _closing(make(UpstreamTls(UpstreamTlsOptions()))) as transport,
    ):
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await _ask(transport, service)


@pytest.mark.parametrize("make", TRANSPORTS)
async def test_server_name_is_what_is_asked_for_and_verified(files: CertificateFiles, make: Make) -> None:
    authority = files.authority_file(AUTHORITY)
    async with _service(files.directory, INTERNAL) as service:
        tls = UpstreamTls(UpstreamTlsOptions(ca_file=authority, server_name="billing.internal"))
        async with _closing(make(tls)) as transport:
            assert await _ask(transport, service) == b"-"
        assert service.names == ["billing.internal"]
        wrong = UpstreamTls(UpstreamTlsOptions(ca_file=authority, server_name="shop.internal"))
        async with _closing(make(wrong)) as transport:
            with pytest.raises(ConnectFailed, match="mismatch"):
                await _ask(transport, service)


@pytest.mark.parametrize("make", TRANSPORTS)
async def test_the_gateway_shows_its_own_certificate(files: CertificateFiles, make: Make) -> None:
    authority = files.authority_file(AUTHORITY)
    certificate, key = files.pair("gateway", client_pair(common_name="gateway"))
    tls = UpstreamTls(UpstreamTlsOptions(authority, cert_file=certificate, key_file=key))
    async with _service(files.directory, LOCAL, AUTHORITY) as service, _closing(make(tls)) as transport:
        assert await _ask(transport, service) == b"gateway"


@pytest.mark.parametrize("make", TRANSPORTS)
async def test_verify_false_believes_everybody_and_says_so(
    files: CertificateFiles, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tls = UpstreamTls(UpstreamTlsOptions(verify=False), service="billing")
    assert caplog.messages == ["service billing: TLS without verification: whoever answers is believed"]
    assert caplog.records[0].levelno == logging.WARNING
    async with _service(files.directory, INTERNAL) as service, _closing(make(tls)) as transport:
        assert await _ask(transport, service) == b"-"


@pytest.mark.parametrize("make", TRANSPORTS)
async def test_new_connections_go_by_new_files(files: CertificateFiles, make: Make) -> None:
    authority = files.authority_file(AUTHORITY)
    certificate, key = files.pair("gateway", client_pair(common_name="first"))
    tls = UpstreamTls(UpstreamTlsOptions(authority, cert_file=certificate, key_file=key))
    async with _service(files.directory, LOCAL, AUTHORITY, keep=False) as service, _closing(make(tls)) as transport:
        assert await _ask(transport, service) == b"first"
        files.pair("gateway", client_pair(common_name="second"))
        assert await _ask(transport, service) == b"second"
        key.write_bytes(b"half")
        assert await _ask(transport, service) == b"second"
        files.pair("gateway", client_pair(common_name="third"))
        files.authority_file(OTHER)
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await _ask(transport, service)


async def test_a_kept_connection_goes_on_after_a_rotation(files: CertificateFiles) -> None:
    authority = files.authority_file(AUTHORITY)
    transport = Http1Transport(tls=UpstreamTls(UpstreamTlsOptions(authority)))
    async with _service(files.directory, LOCAL) as service, _closing(transport):
        assert await _ask(transport, service) == b"-"
        files.authority_file(OTHER)
        assert await _ask(transport, service) == b"-"
        assert len(service.names) == 1


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"ca_file": "missing.pem"}, "cannot read .*missing.pem"),
        ({"ca_file": "gateway.key"}, "gateway.key does not hold certificates"),
        ({"ca_file": "empty"}, "empty does not hold certificates"),
        ({"cert_file": "gateway.pem", "key_file": "missing.key"}, "cannot read .*missing.key"),
        ({"cert_file": "gateway.pem", "key_file": "service.key"}, "its key is another"),
        ({"cert_file": "gateway.pem", "key_file": "locked.key"}, "locked.key is encrypted; give key_password"),
        ({"cert_file": "gateway.pem", "key_file": "empty"}, "cannot use .*gateway.pem with .*empty"),
    ],
)
def test_files_that_cannot_be_used_are_named(files: CertificateFiles, options: dict[str, str], cause: str) -> None:
    files.pair("gateway", client_pair())
    files.pair("service")
    files.pair("locked", client_pair(password=b"open sesame"))
    (files.directory / "empty").touch()
    places: dict[str, Any] = {name: files.directory / file for name, file in options.items()}
    with pytest.raises(ConfigurationError, match=cause):
        UpstreamTls(UpstreamTlsOptions(**places))


@pytest.mark.parametrize("transport", ["http1", "httpx"])
async def test_a_service_of_the_configuration_uses_it(files: CertificateFiles, transport: str) -> None:
    tls = {"ca_file": str(files.authority_file(AUTHORITY)), "server_name": "billing.internal"}
    async with _service(files.directory, INTERNAL) as service:
        gateway = build_gateway(
            {
                "services": {"billing": {"endpoints": [service.url], "transport": transport, "tls": tls}},
                "routes": [{"path": "/*", "service": "billing"}],
            }
        )
        async with gateway:
            response = await gateway.handle(Request("GET", "/", headers={"host": "a"}))
            assert (response.status, await response.read()) == (200, b"-")
            await response.close()
        await asyncio.sleep(0)
