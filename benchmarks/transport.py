"""Transport: the client side alone, without a server before it.

Rule: as many tasks as the proxy benchmark has connections, each asking the origin again as soon
as it has read the answer. What is missing between this and the proxy's figure is the server's and
the pipeline's share.
"""

from __future__ import annotations

import asyncio
import time

from api_gateway import Headers, Request, RequestContext
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.httpx_transport import HttpxTransport
from api_gateway.transport.transport import Transport
from benchmarks import event_loop
from benchmarks.contenders import PATH, start_origin
from benchmarks.machine import Machine, pinned
from benchmarks.processes import Processes
from benchmarks.report import Report, table

TASKS = 32

_REQUEST = Request.from_parts("GET", PATH, "", Headers({"accept": "*/*"}), b"")


def run(machine: Machine, *, seconds: float = 3.0, rounds: int = 3) -> Report:
    """Measure each transport."""
    report = Report(f"transport: {TASKS} tasks, {event_loop.NAME}, best of {rounds} x {seconds:g} s")
    with Processes() as processes:
        url = f"http://127.0.0.1:{start_origin(processes, machine).port}"
        with pinned(machine.test_core):
            found = event_loop.run(_measure(url, seconds, rounds))
    report.table = table(
        ("", "requests/s", "CPU us"),
        [[name, f"{rate:,.0f}", f"{cpu * 1e6:.1f}"] for name, (rate, cpu) in found.items()],
    )
    report.figures = {name: {"rate": rate, "cpu_per_request": cpu} for name, (rate, cpu) in found.items()}
    return report


async def _measure(url: str, seconds: float, rounds: int) -> dict[str, tuple[float, float]]:
    transports: dict[str, Transport] = {"http1": Http1Transport(), "httpx": HttpxTransport()}
    best = dict.fromkeys(transports, (0.0, float("inf")))
    for _ in range(rounds):
        for name, transport in transports.items():
            rate, cpu = await _load(transport, url, seconds)
            best[name] = (max(best[name][0], rate), min(best[name][1], cpu))
    for transport in transports.values():
        await transport.close()
    return best


async def _load(transport: Transport, url: str, seconds: float) -> tuple[float, float]:
    """Requests a second, and CPU seconds for one."""
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(transport, url, started + seconds)) for _ in range(TASKS)]
    answers = sum(task.result() for task in tasks)
    return answers / (time.perf_counter() - started), (time.process_time() - cpu) / answers


async def _ask(transport: Transport, url: str, end: float) -> int:
    answers = 0
    while time.perf_counter() < end:
        response = await transport.send(url, _REQUEST, RequestContext())
        await response.read()
        answers += 1
    return answers
