"""Warnings before a certificate ends, and the metric behind them."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway import simulation
from api_gateway.server.metrics_sum import MetricsSum
from api_gateway.server.tls.certificate import Certificate
from api_gateway.server.tls.expiry import DAY, TlsMetrics, warn_of_expiry
from api_gateway.server.tls.listener_certificates import ListenerCertificates
from tests.support.tls import CertificateFiles, Pair, issue, serving, trusting, who


def _lasting(days: float) -> Pair:
    return issue(dns=["api.example"], addresses=["127.0.0.1"], lasts=timedelta(days=days))


def _certificate(not_after: float) -> Certificate:
    return Certificate(Path("api.pem"), ("api.example",), "api.example", not_after)


def test_a_warning_comes_in_time_and_an_error_too_late(caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000_000.0
    for not_after in (now + 22 * DAY, now + 20.5 * DAY, now - 1):
        warn_of_expiry([_certificate(not_after)], now, 21 * DAY)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "the certificate of api.example (api.pem) expires in 20.5 days"),
        ("ERROR", "the certificate of api.example (api.pem) has expired"),
    ]


async def test_it_warns_at_the_start_and_at_each_reload(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = CertificateFiles(tmp_path)
    async with serving(who, files.config(_lasting(5)), every=3600.0) as server:
        await server.ask(trusting())
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        files.pair(pair=_lasting(200))
        server.certificates.look()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        files.pair(pair=_lasting(3))
        server.certificates.look()
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_it_warns_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = CertificateFiles(tmp_path).config(_lasting(2))

    async def three_days() -> None:
        import asyncio

        async with ListenerCertificates(config, every=10 * DAY):
            await asyncio.sleep(2.5 * DAY)

    simulation.run(three_days)
    warnings = [record for record in caplog.records if record.name == "api_gateway.tls"]
    assert len(warnings) == 3


async def test_an_expired_certificate_is_served_until_it_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = CertificateFiles(tmp_path)
    async with serving(who, files.config(_lasting(-1))) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            await server.ask(trusting())
        assert "has expired" in caplog.text
        files.pair(pair=_lasting(100))
        server.certificates.look()
        assert await server.ask(trusting()) == b"https -"


async def test_the_metric_is_the_moment_and_follows_a_rotation(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    first, second = _lasting(50), _lasting(100)
    async with serving(who, files.config(first)) as server:
        registry = CollectorRegistry()
        registry.register(TlsMetrics(server.certificates, lambda: server.server.handshake_failures))
        labels = {"name": "api.example", "file": str(tmp_path / "server.pem")}
        for pair in (first, second):
            files.pair(pair=pair)
            server.certificates.look()
            end = x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc.timestamp()
            assert registry.get_sample_value("api_gateway_certificate_expiry_seconds", labels) == end
        (tmp_path / "server.key").write_bytes(b"cut")
        server.certificates.look()
        for result in ("loaded", "failed"):
            assert registry.get_sample_value("api_gateway_certificate_reloads_total", {"result": result})
        assert registry.get_sample_value("api_gateway_tls_handshake_failures_total") == 0.0
        assert b"PRIVATE" not in generate_latest(registry)


def test_a_moment_is_not_added_up_over_workers() -> None:
    text = (
        '# TYPE api_gateway_certificate_expiry_seconds gauge\napi_gateway_certificate_expiry_seconds{{name="a"}} {}\n'
    )
    both = MetricsSum(2)
    both.update(0, 1, text.format(2000.0))
    both.update(1, 1, text.format(1000.0))
    assert both.registry.get_sample_value("api_gateway_certificate_expiry_seconds", {"name": "a"}) == 1000.0
