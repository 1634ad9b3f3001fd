"""Which certificate a client sees."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.support.gateway_server import on_both_loops
from tests.support.tls import CertificateFiles, issue, serving, trusting, who

API = issue(dns=["api.example.com", "api.example.net"])
WILD = issue(dns=["*.example.com", "example.com"])
LOCAL = issue(addresses=["127.0.0.1", "::1"], dns=["localhost"])


@on_both_loops
async def test_the_name_decides(tmp_path: Path) -> None:
    config = CertificateFiles(tmp_path).several(LOCAL, API, WILD)
    async with serving(who, config) as server:
        for name, expected in {
            "api.example.com": API,  # exact before wildcard
            "API.Example.NET": API,
            "shop.example.com": WILD,
            "example.com": WILD,
            "localhost": LOCAL,
            "127.0.0.1": LOCAL,  # clients send no addresses: none is the first one's
        }.items():
            assert await server.serial(trusting(), name) == expected.serial, name


@pytest.mark.parametrize("name", ["unknown.test", "a.b.example.com", "com"])
async def test_a_name_that_none_has_sees_the_first(tmp_path: Path, name: str) -> None:
    context = trusting()
    context.check_hostname = False
    config = CertificateFiles(tmp_path).several(LOCAL, API, WILD)
    async with serving(who, config) as server:
        assert await server.serial(context, name) == LOCAL.serial


@on_both_loops
async def test_strict_sni_refuses_what_none_has(tmp_path: Path) -> None:
    config = CertificateFiles(tmp_path).several(WILD, strict_sni=True)
    context = trusting()
    context.check_hostname = False
    async with serving(who, config) as server:
        assert await server.ask(context, "www.example.com") == b"https -"
        for name in ("unknown.test", "127.0.0.1"):
            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                await server.ask(context, name)


async def test_what_is_covered(tmp_path: Path) -> None:
    async with serving(who, CertificateFiles(tmp_path).several(WILD, LOCAL)) as server:
        store = server.certificates.store
        covered = ["example.com", "EXAMPLE.com.", "www.example.com", "127.0.0.1", "::1", "localhost"]
        assert [host for host in covered if not store.covers(host)] == []
        others = ["evil.test", "a.b.example.com", "example.com.evil.test", "xexample.com", "127.0.0.2", "", "."]
        assert [host for host in others if store.covers(host)] == []
