"""Client certificates: who gets through the handshake, and what the gateway then knows."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from api_gateway import Request, RequestContext, Response
from api_gateway.core.client_certificate import ClientCertificate
from tests.support.certificates import AUTHORITY
from tests.support.gateway_server import on_both_loops, until
from tests.support.tls import SERVER_AUTH, CertificateFiles, Pair, client_pair, issue, serving, trusting, who

STRANGER = trustme.CA()


@on_both_loops
async def test_a_verified_certificate_reaches_the_request(tmp_path: Path) -> None:
    seen: list[ClientCertificate | None] = []

    async def noting(request: Request, context: RequestContext) -> Response:
        seen.append(context.client_certificate)
        return Response(200, {}, b"ok")

    pair = client_pair(dns=["billing.internal"], uris=["spiffe://example.org/billing"])
    files = CertificateFiles(tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY))
    client_context = trusting(show=pair, directory=tmp_path)
    async with serving(noting, config) as server, server.connection(client_context) as client:
        await client.ask()
        await client.ask()
    first, second = seen
    assert first is not None
    assert first is second  # read once a connection
    parsed = x509.load_pem_x509_certificate(pair.certificate)
    assert (first.subject, first.common_name) == ("CN=billing", "billing")
    assert first.dns_names == ("billing.internal",)
    assert first.uris == ("spiffe://example.org/billing",)
    assert first.issuer == parsed.issuer.rfc4514_string()
    assert first.serial_number == f"{pair.serial:x}"
    assert first.not_after == parsed.not_valid_after_utc.timestamp()
    assert len(first.fingerprint) == 64


def _expired() -> Pair:
    return client_pair(lasts=timedelta(days=-1))


def _not_for_clients() -> Pair:
    return client_pair(usage=SERVER_AUTH)


def _of_another_authority() -> Pair:
    return client_pair(STRANGER)


@pytest.mark.parametrize(
    ("pair", "alert", "line"),
    [
        (None, "CERTIFICATE_REQUIRED", "peer did not return a certificate"),
        (_expired, "CERTIFICATE_EXPIRED", "the client's certificate was refused: certificate has expired"),
        (_not_for_clients, "UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ALERT", "certificate was refused"),
        (_of_another_authority, "UNKNOWN_CA", "unable to get local issuer certificate"),
    ],
)
@on_both_loops
async def test_the_wrong_certificate_is_refused_and_the_gateway_goes_on(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    pair: Callable[[], Pair] | None,
    alert: str,
    line: str,
) -> None:
    caplog.set_level(logging.INFO, "api_gateway.tls")
    files = CertificateFiles(tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY))
    async with serving(who, config) as server:
        with pytest.raises(ssl.SSLError, match=alert):  # TLS 1.3: the client hears of it with its first read
            await server.ask(trusting(show=pair and pair(), directory=tmp_path))
        await until(lambda: server.server.handshake_failures == 1)
        assert await server.ask(trusting(show=client_pair(), directory=tmp_path)) == b"https CN=billing"
    (message,) = caplog.messages
    assert line in message


async def test_the_same_in_tls_1_2(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY))
    async with serving(who, config) as server:
        for show in (None, _of_another_authority()):
            context = trusting(show=show, directory=tmp_path)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ssl.SSLError, match="ALERT"):
                await server.ask(context)


async def test_optional_admits_none_but_not_a_wrong_one(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY), client_certificate="optional")
    async with serving(who, config) as server:
        assert await server.ask(trusting()) == b"https -"
        assert await server.ask(trusting(show=client_pair(), directory=tmp_path)) == b"https CN=billing"
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await server.ask(trusting(show=_of_another_authority(), directory=tmp_path))


async def test_a_certificate_that_nobody_asked_for_does_not_count(tmp_path: Path) -> None:
    async with serving(who, CertificateFiles(tmp_path).config()) as server:
        assert await server.ask(trusting(show=client_pair(), directory=tmp_path)) == b"https -"


@on_both_loops
async def test_client_certificates_are_verified_behind_every_name(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    config = files.several(
        issue(dns=["a.example"]), issue(dns=["b.example"]), client_ca_file=files.authority_file(AUTHORITY)
    )
    async with serving(who, config) as server:
        for name in ("a.example", "b.example"):
            assert await server.ask(trusting(show=client_pair(), directory=tmp_path), name) == b"https CN=billing"
            with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
                await server.ask(trusting(show=_of_another_authority(), directory=tmp_path), name)
