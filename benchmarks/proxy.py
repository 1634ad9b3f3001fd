"""Proxy: requests per second of the gateway beside others, in one run.

Rule: short rounds in turn (A B C, A B C, ...), so that a noisy minute hurts everybody alike. A
figure is the median over rounds; a ratio is the median of the ratios *within* each round.

CPU for a request is the server's own, user and system, so it hardly moves when something else
steals the core; requests per second do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import median

from benchmarks import wrk
from benchmarks.contenders import NAMES, Contender, start_all
from benchmarks.machine import Machine, tool
from benchmarks.processes import Processes
from benchmarks.report import Bar, Report, table

LIMITS: Mapping[str, float] = {"nginx": 0.30, "uvicorn": 0.45, "aiohttp": 2.0, "httpx2": 10.0}
"""The least the gateway's rate must be, as a multiple of the other's."""


def run(machine: Machine, *, seconds: int = 5, rounds: int = 3, only: Collection[str] = ()) -> Report:
    """Measure all contenders, or those named in `only`.

    Raises:
        NotMeasuredError: the gateway or the origin does not come up, or wrk fails.
    """
    report = Report(f"proxy: {wrk.CONNECTIONS} connections, {rounds} x {seconds} s each, rounds in turn")
    if tool("wrk") is None:
        report.notes.append(wrk.INSTALL)
        return report
    names = [name for name in NAMES if not only or name in only]
    with Processes() as processes:
        contenders, reasons = start_all(names, processes, machine)
        report.notes += reasons
        measured: dict[str, list[wrk.Load]] = {contender.name: [] for contender in contenders}
        for number in range(rounds):
            print(f"  round {number + 1} of {rounds}: {', '.join(measured)}", flush=True)
            for contender in contenders:
                measured[contender.name].append(load(contender, seconds, machine))
    summarize(report, measured)
    report.figures |= {"seconds": seconds, "connections": wrk.CONNECTIONS}
    return report


def load(contender: Contender, seconds: int, machine: Machine) -> wrk.Load:
    """One measurement, with the server's CPU."""
    before = contender.process.cpu_seconds()
    result = wrk.run(contender.url, seconds, machine.load_core)
    after = contender.process.cpu_seconds()
    if before is None or after is None or not result.requests:
        return result
    return result.with_cpu(after - before)


def ratios(measured: Mapping[str, Sequence[wrk.Load]], name: str = "gateway") -> dict[str, float]:
    """The rate of `name` as a multiple of each other one's: the median over rounds."""
    ours = measured.get(name, ())
    return {
        other: median(our.rate / their.rate for our, their in zip(ours, loads, strict=True))
        for other, loads in measured.items()
        if ours and other != name and all(their.rate for their in loads)
    }


def summarize(report: Report, measured: Mapping[str, Sequence[wrk.Load]]) -> None:
    """Fill in table, figures and bars."""
    multiples = ratios(measured)
    rows = [_row(name, loads, multiples.get(name)) for name, loads in measured.items()]
    report.table = table(("", "requests/s", "p50 ms", "p99 ms", "errors", "CPU us", "gateway is"), rows)
    report.figures = {
        "rounds": {name: [load.as_json() for load in loads] for name, loads in measured.items()},
        "gateway_as_multiple_of": multiples,
    }
    report.bars = [
        Bar(f"gateway / {other}", multiples[other], limit, unit="x")
        for other, limit in LIMITS.items()
        if other in multiples
    ]
    errors = sum(load.errors for load in measured.get("gateway", ()))
    if "gateway" in measured:
        report.bars.append(Bar("gateway errors", errors, 0, at_least=False))


def _row(name: str, loads: Sequence[wrk.Load], multiple: float | None) -> list[str]:
    cpu = [load.cpu_per_request for load in loads if load.cpu_per_request is not None]
    return [
        name,
        f"{median(load.rate for load in loads):,.0f}",
        f"{median(load.p50 for load in loads) * 1e3:.2f}",
        f"{median(load.p99 for load in loads) * 1e3:.2f}",
        str(sum(load.errors for load in loads)),
        f"{median(cpu) * 1e6:.1f}" if cpu else "-",
        f"{multiple:.2f} x" if multiple is not None else "",
    ]
