"""Certificates, keys and authorities that change while the gateway serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from pathlib import Path

import pytest
import trustme

from api_gateway.server.tls.certificate_store import CertificateStore
from api_gateway.server.tls.listener_certificates import ListenerCertificates
from api_gateway.server.tls.listener_context import load_store
from tests.support.certificates import AUTHORITY
from tests.support.gateway_server import on_both_loops, until
from tests.support.tls import CertificateFiles, client_pair, issue, serving, trusting, who

NEW_AUTHORITY = trustme.CA()
ADDRESS = ["127.0.0.1"]


@on_both_loops
async def test_new_connections_see_the_new_certificate_and_old_ones_go_on(tmp_path: Path) -> None:
    old, new = issue(addresses=ADDRESS), issue(addresses=ADDRESS)
    files = CertificateFiles(tmp_path)
    async with serving(who, files.config(old)) as server, server.connection(trusting()) as client:
        assert client.serial == old.serial
        files.pair(pair=new)
        server.certificates.look()
        assert await server.serial(trusting()) == new.serial
        assert await client.ask() == b"https -"
        assert server.certificates.reloads == 1


async def test_files_are_looked_at_by_themselves(tmp_path: Path) -> None:
    new = issue(addresses=ADDRESS)
    files = CertificateFiles(tmp_path)
    async with serving(who, files.config(), every=0.001) as server:
        files.pair(pair=new)
        await until(lambda: server.certificates.reloads >= 1)
        assert await server.serial(trusting()) == new.serial


async def test_a_pair_that_is_half_written_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old, new = issue(addresses=ADDRESS), issue(addresses=ADDRESS)
    files = CertificateFiles(tmp_path)
    async with serving(who, files.config(old)) as server:
        key, certificate = tmp_path / "server.key", tmp_path / "server.pem"
        for file, content in (
            (key, new.key[:60]),  # cut
            (key, new.key),  # whole, but the certificate is the old one's
            (certificate, new.certificate[:-30]),
            (certificate, b""),
        ):
            file.write_bytes(content)
            server.certificates.look()
            assert await server.serial(trusting()) == old.serial
        assert (server.certificates.failures, server.certificates.reloads) == (4, 0)
        certificate.write_bytes(new.certificate)
        server.certificates.look()
        assert await server.serial(trusting()) == new.serial
    assert "PRIVATE" not in caplog.text


@on_both_loops
async def test_no_request_fails_while_certificates_change(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    rotating = True
    answers = 0
    async with serving(who, files.config(client_ca_file=files.authority_file(AUTHORITY))) as server:
        context = trusting(show=client_pair(), directory=tmp_path)

        async def on_new_connections() -> None:
            nonlocal answers
            while rotating:
                assert await server.ask(context) == b"https CN=billing"
                answers += 1

        async def on_one_connection() -> None:
            nonlocal answers
            async with server.connection(context) as client:
                while rotating:
                    assert await client.ask() == b"https CN=billing"
                    answers += 1

        clients = [asyncio.create_task(on_new_connections()) for _ in range(3)]
        clients += [asyncio.create_task(on_one_connection()) for _ in range(3)]
        serials = set()
        for _ in range(10):
            pair = issue(addresses=ADDRESS)
            seen = answers
            (tmp_path / "server.key").write_bytes(pair.key)
            server.certificates.look()  # between key and certificate: they do not fit
            (tmp_path / "server.pem").write_bytes(pair.certificate)
            server.certificates.look()
            serials.add(await server.serial(context))
            await until(lambda seen=seen: answers >= seen + 12)  # type: ignore[misc]
        rotating = False
        await asyncio.gather(*clients)
        assert (len(serials), server.certificates.reloads) == (10, 10)
        assert server.server.handshake_failures == 0


@on_both_loops
async def test_another_authority_counts_for_new_connections(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    old_client = trusting(show=client_pair(), directory=tmp_path)
    new_client = trusting(show=client_pair(NEW_AUTHORITY, common_name="new"), directory=tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY))
    async with serving(who, config) as server, server.connection(old_client) as open_already:
        assert await open_already.ask() == b"https CN=billing"
        files.authority_file(AUTHORITY, NEW_AUTHORITY)  # first both
        server.certificates.look()
        assert await server.ask(old_client) == b"https CN=billing"
        assert await server.ask(new_client) == b"https CN=new"
        files.authority_file(NEW_AUTHORITY)
        server.certificates.look()
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await server.ask(old_client)
        assert await server.ask(new_client) == b"https CN=new"
        assert await open_already.ask() == b"https CN=billing"


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB", b"\xff\xfe"])
async def test_authorities_that_cannot_be_read_change_nothing(tmp_path: Path, content: bytes) -> None:
    files = CertificateFiles(tmp_path)
    context = trusting(show=client_pair(), directory=tmp_path)
    async with serving(who, files.config(client_ca_file=files.authority_file(AUTHORITY))) as server:
        (tmp_path / "clients.pem").write_bytes(content)
        server.certificates.look()
        assert server.certificates.failures == 1
        assert await server.ask(context) == b"https CN=billing"
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            await server.ask(trusting())


# Sessions.


def _handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1", session=session)
    for _ in range(4):
        for side in (theirs, ours):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        theirs.read(1)  # takes the tickets that come behind a handshake of TLS 1.3
    return ours, theirs


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_outlives_the_authority_of_its_certificate(tmp_path: Path, version: ssl.TLSVersion) -> None:
    files = CertificateFiles(tmp_path)
    config = files.config(client_ca_file=files.authority_file(AUTHORITY))
    client = trusting(show=client_pair(), directory=tmp_path)
    client.maximum_version = version
    before: CertificateStore = load_store(config)
    _, theirs = _handshake(before.context, client)
    session = theirs.session
    assert session is None or not session.has_ticket
    files.authority_file(NEW_AUTHORITY)
    after = load_store(config)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(after.context, client, session)


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_resumed_where_nobody_needs_to_be_verified(tmp_path: Path, version: ssl.TLSVersion) -> None:
    config = CertificateFiles(tmp_path).config()
    client = trusting()
    client.maximum_version = version
    store = load_store(config)
    _, theirs = _handshake(store.context, client)
    assert theirs.session is not None
    assert theirs.session.has_ticket
    again, _ = _handshake(store.context, client, theirs.session)
    assert again.session_reused
    after_rotation, _ = _handshake(load_store(config).context, client, theirs.session)
    assert not after_rotation.session_reused  # and is a whole handshake


async def test_closing_twice_and_starting_again_is_harmless(tmp_path: Path) -> None:
    certificates = ListenerCertificates(CertificateFiles(tmp_path).config())
    async with certificates:
        pass
    await certificates.__aexit__()
    async with certificates:
        assert certificates.certificates[0].label == "localhost"


async def test_an_encrypted_key_is_opened_with_its_password_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = CertificateFiles(tmp_path)
    pair = issue(addresses=ADDRESS, password=b"correct horse")
    config = files.config(pair, key_password="correct horse")
    assert "correct horse" not in repr(config)
    caplog.set_level(logging.DEBUG)
    async with serving(who, config) as server:
        assert await server.ask(trusting()) == b"https -"
    assert "correct horse" not in caplog.text
    for more, cause in (
        ({}, "is encrypted; give key_password"),
        ({"key_password": "wrong"}, "cannot use .*server.pem"),
    ):
        with pytest.raises(ValueError, match=cause) as refusal:
            ListenerCertificates(files.config(pair, **more))
        assert "wrong" not in str(refusal.value).replace("the password is wrong", "")
