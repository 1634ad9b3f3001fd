"""The benchmark of the cache: what a row names is what its requests become, and the gateway under load answers hits."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from api_gateway import Request, RequestContext
from api_gateway.core.middleware import chain
from benchmarks.cache import _FIELDS, ROWS, Row, Service, cache_status, layer, run, start_cacheable, start_gateway
from benchmarks.machine import Machine, tool
from benchmarks.origin import BODY
from benchmarks.processes import Processes, free_port
from benchmarks.proxies import nginx

ANYWHERE = Machine(())


async def said(row: Row, service: Service, paths: list[str]) -> list[str]:
    handler = chain([layer(row, service)], service)
    found = []
    for path in paths:
        response = await handler(Request("GET", path, _FIELDS), RequestContext())
        found.append(response.header("cache-status") or "")
        assert await response.read() == BODY
    return found


@pytest.mark.parametrize("name", [name for name in ROWS if name != "miss, not kept"])
async def test_what_may_be_kept_is_a_hit_when_it_is_asked_for_again(name: str) -> None:
    service = Service(ROWS[name])
    first, again, other = await said(ROWS[name], service, ["/a", "/a", "/b"])
    assert first.endswith("stored")
    assert other.endswith("stored")
    assert "hit" in again
    assert service.asked == 2


async def test_what_says_no_store_is_asked_for_each_time() -> None:
    service = Service(ROWS["miss, not kept"])
    assert not any(
        "stored" in each or "hit" in each for each in await said(ROWS["miss, not kept"], service, ["/a"] * 3)
    )
    assert service.asked == 3


def test_every_row_is_measured_and_the_bars_are_on_misses() -> None:
    report = run(ANYWHERE, requests=64, rounds=3, socket_rounds=0)
    costs = report.figures["microseconds_over_no_cache"]
    assert isinstance(costs, dict)
    assert list(costs) == list(ROWS)
    assert [(bar.name, bar.value) for bar in report.bars] == [
        ("a miss, kept", costs["miss, kept"]),
        ("a miss, not kept", costs["miss, not kept"]),
    ]


def test_the_gateway_answers_hits() -> None:
    with Processes() as processes:
        origin = start_cacheable("origin", processes, None)
        gateway = start_gateway(processes, ANYWHERE, f"http://127.0.0.1:{origin.port}")
        assert "; hit; ttl=" in cache_status(gateway)
        assert cache_status(origin) == ""


@pytest.mark.skipif(tool("nginx") is None, reason="nginx is not installed")
def test_nginx_accepts_the_configuration_of_its_cache(tmp_path: Path) -> None:
    command = nginx.command(tool("nginx") or "", tmp_path, free_port(), "http://127.0.0.1:9001", caches=True)
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "proxy_cache answers;" in (tmp_path / "nginx" / "nginx.conf").read_text()
