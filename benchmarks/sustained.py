"""Sustained: does one core hold ten thousand requests a second, for a minute, without an error?

Two measurements, because neither alone answers that:

- wrk at full speed says what the gateway carries at most, and that nothing fails at it. Its
  latencies are those of 32 connections that ask again as soon as they are answered.
- the open loop says what latency independent clients see at exactly 10,000 requests a second. It
  does not say what more the gateway could carry.

A third row is the open loop against the origin alone: the floor below which this generator cannot
see, since it shares a core with the origin.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from benchmarks import wrk
from benchmarks.contenders import Contender, start, start_origin
from benchmarks.machine import Machine, pinned, tool
from benchmarks.open_loop import GRACE, OpenLoad
from benchmarks.processes import ROOT, Process, Processes
from benchmarks.proxy import load
from benchmarks.report import Bar, NotMeasuredError, Report, table

RATE = 10_000
"""Requests a second."""
P99_LIMIT = 10.0
"""Milliseconds."""
CONNECTIONS = 64
"""Of the open loop: enough that a request seldom waits for a free one."""
KEPT = 0.99
"""The share of `RATE` that must be answered each second for the rate to count as held."""

_FLOOR_SECONDS = 5


class OpenLoopFailedError(NotMeasuredError):
    """The generator gave no measurement."""


def run(machine: Machine, *, seconds: int = 60) -> Report:
    """Measure the gateway both ways, `seconds` each.

    Raises:
        NotMeasuredError: the gateway, the origin or a generator does not work.
    """
    report = Report(f"sustained: {RATE:,} requests/s for {seconds} s")
    with Processes() as processes:
        origin = start_origin(processes, machine)
        gateway = start("gateway", processes, machine, f"http://127.0.0.1:{origin.port}")
        _measure(report, gateway, origin, seconds, machine)
    return report


def _measure(report: Report, gateway: Contender, origin: Contender, seconds: int, machine: Machine) -> None:
    report.figures["seconds"] = seconds
    memory_before = gateway.process.resident_bytes()
    rows = []
    if tool("wrk") is None:
        report.notes.append(wrk.INSTALL)
    else:
        full = load(gateway, seconds, machine)
        rows.append(_row("wrk, full speed", full, full.cpu_per_request))
        report.figures["full_speed"] = full.as_json()
        report.bars += [
            Bar("wrk rate", full.rate, RATE, unit="/s"),
            Bar("wrk p99", full.p99 * 1e3, P99_LIMIT, at_least=False, unit=" ms"),
            Bar("wrk errors", full.errors, 0, at_least=False),
        ]
    constant, cpu = constant_rate(gateway.url, RATE, seconds, machine, gateway.process)
    floor, _ = constant_rate(origin.url, RATE, min(seconds, _FLOOR_SECONDS), machine, None)
    rows += [_row(f"constant {RATE:,}/s", constant, cpu), _row("  origin alone: the floor", floor, None)]
    report.table = table(("", "requests/s", "p50 ms", "p99 ms", "longest ms", "errors", "CPU us"), rows)
    report.figures |= {"constant_rate": asdict(constant), "floor": asdict(floor)}
    report.bars += [
        Bar("constant rate held", constant.rate, RATE * KEPT, unit="/s"),
        Bar("constant rate p99", constant.p99 * 1e3, P99_LIMIT, at_least=False, unit=" ms"),
        Bar("constant rate errors", constant.errors, 0, at_least=False),
    ]
    _note_what_was_measured(report, constant, floor, gateway, memory_before)


def _note_what_was_measured(
    report: Report, constant: OpenLoad, floor: OpenLoad, gateway: Contender, memory_before: int | None
) -> None:
    report.notes += [
        "wrk's latencies are those of 32 connections that wait for each answer before they ask again",
        "the constant rate's latencies count from when a request was due; up to"
        f" {constant.sent_late_p99 * 1e3:.1f} ms of them (99 % of the time) is the generator's own lateness",
    ]
    if floor.rate < RATE * KEPT:
        report.notes.append("the generator cannot hold the rate on this machine even against the origin alone")
    memory_after = gateway.process.resident_bytes()
    if memory_before is not None and memory_after is not None:
        grown = (memory_after - memory_before) / 2**20
        report.figures["memory_grown_mib"] = grown
        report.notes.append(f"the gateway's resident memory: {memory_after / 2**20:.0f} MiB, grown by {grown:.1f} MiB")


def constant_rate(
    url: str, rate: float, seconds: float, machine: Machine, server: Process | None
) -> tuple[OpenLoad, float | None]:
    """Load `url` at a constant rate; what was seen, and the CPU seconds of `server` for one request.

    Raises:
        OpenLoopFailedError: the generator failed or did not end.
    """
    command = [sys.executable, "-m", "benchmarks.open_loop", url, str(rate), str(seconds), str(CONNECTIONS)]
    before = server.cpu_seconds() if server else None
    with pinned(machine.load_core):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds + GRACE + 20, check=False, cwd=ROOT
            )
        except subprocess.TimeoutExpired:
            raise OpenLoopFailedError("the constant-rate generator did not end") from None
    after = server.cpu_seconds() if server else None
    if done.returncode != 0:
        last_words = done.stderr.strip().rpartition("\n")[2]
        raise OpenLoopFailedError(f"the constant-rate generator failed: {last_words}")
    result = OpenLoad(**json.loads(done.stdout))
    return result, None if before is None or after is None else (after - before) / (result.requests - result.errors)


def _row(name: str, result: wrk.Load | OpenLoad, cpu: float | None) -> list[str]:
    return [
        name,
        f"{result.rate:,.0f}",
        f"{result.p50 * 1e3:.2f}",
        f"{result.p99 * 1e3:.2f}",
        f"{result.longest * 1e3:.2f}",
        str(result.errors),
        f"{cpu * 1e6:.1f}" if cpu is not None else "-",
    ]
