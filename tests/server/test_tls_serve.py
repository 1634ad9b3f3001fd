"""`api-gateway serve` with TLS, as a process and as several."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from cryptography import x509

from tests.support.gateway_process import GatewayProcess, Origin, configuration, eventually, started
from tests.support.sockets import refused_port
from tests.support.tls import CertificateFiles, issue, trusting

ADDRESS = ["127.0.0.1"]
PASSWORD = b"correct horse"


def _document(origin: Origin, files: CertificateFiles, password: bytes | None = None, **tls: Any) -> dict[str, Any]:
    certificate, key = files.pair(pair=issue(addresses=ADDRESS, lasts=timedelta(days=5), password=password))
    listen = {"port": 0, "tls": {"cert_file": str(certificate), "key_file": str(key), **tls}}
    return configuration(origin.url, listen=listen)


async def _get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10, trust_env=False, verify=trusting()) as client:
        return await client.get(url)


async def _serial(gateway: GatewayProcess) -> int:
    url = httpx.URL(gateway.url)
    _, writer = await asyncio.open_connection(url.host, url.port, ssl=trusting(), server_hostname=url.host)
    encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(encoded).serial_number


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
async def test_a_gateway_serves_https_redirects_rotates_and_drains_and_tells_no_secret(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    files, redirect_port = CertificateFiles(tmp_path), refused_port()
    async with Origin() as origin, AsyncExitStack() as stack:
        document = _document(origin, files, PASSWORD, key_password=PASSWORD.decode(), redirect_port=redirect_port)
        gateway = await stack.enter_async_context(started(document, *options))
        assert gateway.url.startswith("https://127.0.0.1:")
        assert gateway.admin_url.startswith("http://127.0.0.1:")
        assert (await _get(gateway.url + "/quick")).text == "quick"

        redirect = await _get(f"http://127.0.0.1:{redirect_port}/quick?a=1")
        assert (redirect.status_code, redirect.headers["location"]) == (308, gateway.url + "/quick?a=1")
        assert await gateway.err.first("expires in 5.0 days") is not None

        pair = issue(addresses=ADDRESS, lasts=timedelta(days=300), password=PASSWORD)
        files.pair(pair=pair)

        async def rotated() -> bool:
            return all([await _serial(gateway) == pair.serial for _ in range(4)])

        await eventually(rotated)
        end = x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc.timestamp()

        async def shown() -> bool:
            metrics = (await gateway.admin("/metrics")).text
            lines = [line for line in metrics.splitlines() if line.startswith("api_gateway_certificate_expiry_seconds")]
            return len(lines) == 1 and float(lines[0].rpartition(" ")[2]) == end

        await eventually(shown)
        pages = [(await gateway.admin(path)).text for path in ("/", "/metrics", "/routes", "/services")]
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
        said = "\n".join([*pages, *await gateway.out.all(), *await gateway.err.all()])
        for unsaid in ("Traceback", PASSWORD.decode(), "PRIVATE KEY"):
            assert unsaid not in said


async def test_a_request_that_runs_is_finished_before_the_end(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    async with Origin() as origin, started(_document(origin, files)) as gateway:
        held = asyncio.create_task(_get(gateway.url + "/held"))
        await origin.asked.wait()
        gateway.signal(signal.SIGTERM)
        assert await gateway.refuses()
        origin.release.set()
        assert (await held).text == "held"
        assert await gateway.exit_code() == 0


async def test_files_that_do_not_fit_are_one_line_and_exit_1(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    async with Origin() as origin:
        document = _document(origin, files)
        (tmp_path / "server.key").write_bytes(issue().key)
        async with started(document, "--workers", "2", ready=False) as gateway:
            assert await gateway.exit_code() == 1
            (line,) = await gateway.err.all()
            assert line.startswith("error: cannot use ")
            assert "its key is another" in line


async def test_a_redirect_port_in_use_is_one_line_with_its_key(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    async with Origin() as origin:
        port = httpx.URL(origin.url).port
        async with started(_document(origin, files, redirect_port=port), ready=False) as gateway:
            assert await gateway.exit_code() == 1
            (line,) = await gateway.err.all()
            assert "choose another with listen.tls.redirect_port" in line
