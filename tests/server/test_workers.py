"""Several processes behind one socket: who serves, who counts, and who ends whom."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx2 as httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateway_process import GatewayProcess, Origin, configuration, eventually, started

TWO = ("--workers", "2")


async def _workers(gateway: GatewayProcess) -> dict[int, str]:
    """The worker processes and their states, from the system's own table."""
    process = await asyncio.create_subprocess_exec(
        "ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command=", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    found = {}
    for line in output.decode().splitlines():
        pid, parent, state, command = line.split(None, 3)
        if int(parent) == gateway.pid and "spawn_main" in command:
            found[int(pid)] = state
    return found


async def _counted(gateway: GatewayProcess) -> dict[str, float]:
    """Sums over all labels, by name."""
    text = (await gateway.admin("/metrics")).text
    sums: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value
    return dict(sums)


async def _requests(gateway: GatewayProcess, answered: int) -> int:
    """What `/services` adds up when `answered` of two workers answer it; a busy machine may need a second try."""
    report: dict[str, Any] = {}

    async def enough() -> bool:
        report.update((await gateway.admin("/services")).json())
        assert report["workers"] == 2
        return bool(report["answered"] == answered)

    await eventually(enough)
    requests: int = report["services"][0]["endpoints"][0]["requests"]
    return requests


async def _ready(gateway: GatewayProcess) -> None:
    """Waits until every worker says so."""

    async def ready() -> bool:
        response = await gateway.admin("/ready")
        assert (response.status_code, response.json()["status"]) in [(200, "ready"), (503, "starting")]
        return response.status_code == 200

    await eventually(ready)


async def _served_by_each(gateway: GatewayProcess) -> list[int]:
    served = []
    for path in sorted(gateway.directory.glob("api-gateway-*/*.sock")):
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
            report = (await client.get("http://worker/services")).json()
            served.append(report["services"][0]["endpoints"][0]["requests"])
    return served


async def _halt(gateway: GatewayProcess, pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)

    async def halted() -> bool:
        return (await _workers(gateway))[pid].startswith("T")

    await eventually(halted)


def _left(gateway: GatewayProcess) -> list[Path]:
    return list(gateway.directory.glob("api-gateway-*"))


async def test_every_worker_serves_and_the_admin_pages_add_them_up() -> None:
    async with Origin() as origin, started(configuration(origin.url), *TWO) as gateway:
        await _ready(gateway)
        one, other = await _workers(gateway)

        await _halt(gateway, one)  # so that the other has to serve
        for _ in range(3):
            assert (await gateway.get("/quick")).text == "quick"
        ready, requests = await asyncio.gather(gateway.admin("/ready"), _requests(gateway, answered=1))
        assert ready.status_code == 503  # a worker that hangs is noticed
        assert requests == 3
        os.kill(one, signal.SIGCONT)
        await _halt(gateway, other)
        for _ in range(5):
            assert (await gateway.get("/quick")).text == "quick"
        os.kill(other, signal.SIGCONT)

        assert sorted(await _served_by_each(gateway)) == [3, 5]
        assert await _requests(gateway, answered=2) == 8
        counted = await _counted(gateway)
        assert counted["api_gateway_requests_total"] == 8
        assert counted["api_gateway_requests_in_flight"] == 0
        assert (await gateway.admin("/routes")).json()["routes"][0]["path"] == "/*"
        assert origin.url in (await gateway.admin("/")).text

        assert len(_left(gateway)) == 1
        assert _left(gateway)[0].stat().st_mode & 0o777 == 0o700
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
        assert _left(gateway) == []
        assert await gateway.out.all() == [f"ready: gateway {gateway.url} admin {gateway.admin_url}"]
        assert await gateway.err.all() == []


async def test_a_killed_worker_is_replaced_and_its_counts_are_kept() -> None:
    async with Origin() as origin, started(configuration(origin.url), *TWO) as gateway:
        victim, survivor = await _workers(gateway)
        await _halt(gateway, survivor)
        await gateway.get("/quick")
        async with asyncio.TaskGroup() as tasks:
            lost = tasks.create_task(_status_or_error(gateway, "/held"))
            await origin.asked.wait()
            os.kill(survivor, signal.SIGCONT)
            assert (await _counted(gateway))["api_gateway_requests_in_flight"] == 1
            os.kill(victim, signal.SIGKILL)
        assert lost.result() == "RemoteProtocolError"
        ended = await gateway.err.first("ended (by signal 9)")
        assert ended is not None
        assert "another starts" in ended
        assert (await gateway.get("/quick")).status_code == 200  # by the survivor, or a connection that waits
        assert await gateway.err.first("serves again") is not None

        await _ready(gateway)
        workers = await _workers(gateway)
        assert len(workers) == 2
        assert survivor in workers
        assert victim not in workers
        counted = await _counted(gateway)
        assert counted["api_gateway_requests_total"] == 2
        assert counted["api_gateway_requests_in_flight"] == 0  # not 1 for ever
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0


async def test_ctrl_c_reaches_every_process_of_the_group_and_running_requests_finish() -> None:
    async with Origin() as origin, started(configuration(origin.url), *TWO) as gateway:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.get("/held"))
            await origin.asked.wait()
            os.killpg(gateway.pid, signal.SIGINT)
            assert await gateway.refuses()
            ready = await gateway.admin("/ready")
            assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
            origin.release.set()
        assert running.result().text == "held"
        assert await gateway.exit_code() == 0
        assert await gateway.err.all() == []


async def test_sigterm_to_the_whole_group_drains_once_and_a_second_cuts() -> None:
    async with Origin() as origin, started(configuration(origin.url, drain_timeout="1h"), *TWO) as gateway:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_status_or_error(gateway, "/held"))
            await origin.asked.wait()
            os.killpg(gateway.pid, signal.SIGTERM)
            assert await gateway.refuses()
            assert not running.done()
            gateway.signal(signal.SIGTERM)
        assert running.result() == "RemoteProtocolError"
        assert await gateway.exit_code() == 0
        assert _left(gateway) == []


async def test_workers_end_when_their_supervisor_is_killed() -> None:
    async with Origin() as origin, started(configuration(origin.url), *TWO) as gateway:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.get("/held"))
            await origin.asked.wait()
            gateway.signal(signal.SIGKILL)
            assert await gateway.exit_code() == -signal.SIGKILL
            assert await gateway.refuses()
            origin.release.set()
        assert running.result().text == "held"
        await gateway.out.all()  # ends when the last process that could write to it has
        assert _left(gateway) == []


async def test_a_worker_that_cannot_start_ends_everything() -> None:
    before = "import os, api_gateway.server.worker_process as parent\nparent.work = os.abort"
    async with started(configuration("http://127.0.0.1:1"), *TWO, before=before, ready=False) as gateway:
        assert await gateway.exit_code() == 1
        assert await gateway.out.all() == []
        reason = await gateway.err.first("error: ")
        assert reason is not None
        assert reason.endswith("ended before it was ready (exit code 1)")
        assert _left(gateway) == []


async def _status_or_error(gateway: GatewayProcess, path: str) -> str:
    try:
        return str((await gateway.get(path)).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__
