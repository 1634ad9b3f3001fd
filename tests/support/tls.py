"""TLS for tests: certificate files from an authority made on the spot, and a gateway that shows them.

    files = CertificateFiles(tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY))
    async with serving(handler, config) as server:
        answer = await server.ask(trusting())

Rule: every wait has a deadline, and every connection a test opens is closed by the test's end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.config.tls_schema import ListenTlsConfig
from api_gateway.server.http_server import HttpServer
from api_gateway.server.sockets import listen
from api_gateway.server.tls.listener_certificates import ListenerCertificates
from tests.support.certificates import AUTHORITY
from tests.support.gateway_server import answering

DEADLINE = 5.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SERVER_AUTH, CLIENT_AUTH = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Pair(NamedTuple):
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.certificate).serial_number


def issue(
    *,
    authority: trustme.CA = AUTHORITY,
    dns: Sequence[str] = (),
    addresses: Sequence[str] = (),
    uris: Sequence[str] = (),
    common_name: str = "",
    usage: x509.ObjectIdentifier = SERVER_AUTH,
    lasts: timedelta = timedelta(days=100),
    password: bytes | None = None,
) -> Pair:
    """A certificate signed by `authority`; with a negative `lasts` it has expired."""
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    parent = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [
        *map(x509.DNSName, dns),
        *map(x509.UniformResourceIdentifier, uris),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    end = datetime.now(UTC) + lasts
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(parent.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=1000))
        .not_valid_after(end)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not attributes)
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    )
    return Pair(
        builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
    )


def client_pair(authority: trustme.CA = AUTHORITY, **more: Any) -> Pair:
    """What a client shows: `CN=billing` unless told otherwise."""
    return issue(authority=authority, **{"common_name": "billing", "usage": CLIENT_AUTH, **more})


class CertificateFiles:
    """Certificates in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pair(self, name: str = "server", pair: Pair | None = None) -> tuple[Path, Path]:
        """Write a pair; for 127.0.0.1 and localhost unless given."""
        pair = pair or issue(dns=["localhost"], addresses=["127.0.0.1"])
        files = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        for file, content in zip(files, pair, strict=True):
            file.write_bytes(content)
        return files

    def authority_file(self, *authorities: trustme.CA, name: str = "clients") -> Path:
        file = self.directory / f"{name}.pem"
        file.write_bytes(b"".join(authority.cert_pem.bytes() for authority in authorities))
        return file

    def config(self, pair: Pair | None = None, **more: Any) -> ListenTlsConfig:
        """One certificate, and `more`."""
        certificate, key = self.pair(pair=pair)
        return listen_tls(cert_file=certificate, key_file=key, **more)

    def several(self, *pairs: Pair, **more: Any) -> ListenTlsConfig:
        files = [self.pair(f"server{index}", pair) for index, pair in enumerate(pairs)]
        certificates = [{"cert_file": str(certificate), "key_file": str(key)} for certificate, key in files]
        return listen_tls(certificates=certificates, **more)


def listen_tls(**options: Any) -> ListenTlsConfig:
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return ListenTlsConfig.model_validate(plain)


def trusting(authority: trustme.CA = AUTHORITY, show: Pair | None = None, directory: Path | None = None) -> Any:
    """A client's context that trusts `authority`, and shows a pair if it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if show is not None:
        assert directory is not None
        context.load_cert_chain(*CertificateFiles(directory).pair("client", show))
    return context


class TlsServer:
    """A running gateway with TLS."""

    def __init__(self, port: int, certificates: ListenerCertificates, server: HttpServer) -> None:
        self.port = port
        self.certificates = certificates
        self.server = server

    @asynccontextmanager
    async def connection(
        self,
        context: ssl.SSLContext | None,
        name: str = "127.0.0.1",
        *,
        limit: int = 65536,
        receive_buffer: int | None = None,
    ) -> AsyncIterator[TlsClient]:
        """Raises what the handshake raises; without `context` there is none."""
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        server_hostname = name if context is not None else None
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
            reader, writer = await asyncio.open_connection(
                sock=connection, ssl=context, server_hostname=server_hostname, limit=limit
            )
        try:
            yield TlsClient(reader, writer)
        finally:
            writer.transport.abort()
            try:
                async with asyncio.timeout(DEADLINE):
                    await writer.wait_closed()
            except (OSError, ssl.SSLError):
                pass

    async def ask(self, context: ssl.SSLContext, name: str = "127.0.0.1") -> bytes:
        """One request on a connection of its own: the body of its answer."""
        async with self.connection(context, name) as client:
            return await client.ask()

    async def serial(self, context: ssl.SSLContext, name: str = "127.0.0.1") -> int:
        """The serial number of the certificate that a new connection sees."""
        async with self.connection(context, name) as client:
            await client.ask()  # in TLS 1.3 the server's handshake ends after the client's
            return client.serial


class TlsClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def tls(self) -> ssl.SSLObject:
        tls = self.writer.get_extra_info("ssl_object")
        assert isinstance(tls, ssl.SSLObject)
        return tls

    @property
    def serial(self) -> int:
        encoded = self.tls.getpeercert(binary_form=True)
        assert encoded is not None
        return x509.load_der_x509_certificate(encoded).serial_number

    async def ask(self, request: bytes = GET) -> bytes:
        """Send a request; the body of its answer."""
        async with asyncio.timeout(DEADLINE):
            self.writer.write(request)
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
            return await self.reader.readexactly(int(length.partition(b": ")[2]))

    async def rest(self) -> bytes:
        """Everything that comes until the end."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()


@asynccontextmanager
async def serving(handler: Handler, config: ListenTlsConfig, **more: Any) -> AsyncIterator[TlsServer]:
    """A gateway that hands every request to `handler`; its files are looked at when the test says so."""
    certificates = ListenerCertificates(config, **{"every": 3600.0, **more})
    server = HttpServer(answering(handler), certificates=certificates)
    with listen("127.0.0.1", 0) as listener:
        async with certificates:
            await server.start(listener)
            try:
                yield TlsServer(listener.getsockname()[1], certificates, server)
            finally:
                await server.drain(0.0)


async def who(request: Request, context: RequestContext) -> Response:
    """A Handler that says whom it sees."""
    certificate = context.client_certificate
    return Response(200, {}, f"{context.scheme} {certificate.subject if certificate else '-'}".encode())
