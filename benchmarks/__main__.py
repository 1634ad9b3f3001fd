"""Run the benchmarks, print what they found, write it as JSON.

    python -m benchmarks [all|NAME] [--quick]          NAME: router, pipeline, simulation, ...; see --help
    python -m benchmarks [all|NAME] --record           the same, and keep it as what the documents quote

All of them take about ten minutes, `--quick` about two. Only loopback is used, and every process
that is started is stopped, also on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from api_gateway.server.garbage import set_apart
from benchmarks import (
    cache,
    pipeline,
    proxy,
    rate_limiters,
    record,
    redis_limiters,
    restarts,
    router,
    security,
    simulation,
    sustained,
    transport,
)
from benchmarks.contenders import NAMES
from benchmarks.machine import Machine
from benchmarks.processes import end_on_signals
from benchmarks.report import NotMeasuredError, Report

Benchmark = Callable[[Machine, argparse.Namespace], Report]


def _router(machine: Machine, options: argparse.Namespace) -> Report:
    return router.run(machine, matches=5_000, rounds=5) if options.quick else router.run(machine)


def _pipeline(machine: Machine, options: argparse.Namespace) -> Report:
    return pipeline.run(machine, requests=5_000, rounds=3) if options.quick else pipeline.run(machine)


def _security(machine: Machine, options: argparse.Namespace) -> Report:
    if options.quick:
        return security.run(machine, requests=2_000, rounds=3, seconds=options.seconds or 2, proxy_rounds=1)
    return security.run(machine, seconds=options.seconds or 3, proxy_rounds=options.rounds or 3)


def _cache(machine: Machine, options: argparse.Namespace) -> Report:
    if options.quick:
        return cache.run(machine, requests=1_000, rounds=5, seconds=options.seconds or 2, socket_rounds=1)
    return cache.run(machine, seconds=options.seconds or 3, socket_rounds=options.rounds or 3)


def _simulation(machine: Machine, options: argparse.Namespace) -> Report:
    return simulation.run(machine, requests=5_000, rounds=3) if options.quick else simulation.run(machine)


def _limiters(machine: Machine, options: argparse.Namespace) -> Report:
    return rate_limiters.run(machine, rounds=5, sequence=1_000_000) if options.quick else rate_limiters.run(machine)


def _redis_limiters(machine: Machine, options: argparse.Namespace) -> Report:
    return redis_limiters.run(machine, decisions=5_000, rounds=3) if options.quick else redis_limiters.run(machine)


def _transport(machine: Machine, options: argparse.Namespace) -> Report:
    return transport.run(machine, seconds=1.0, rounds=1) if options.quick else transport.run(machine)


def _proxy(machine: Machine, options: argparse.Namespace) -> Report:
    seconds = options.seconds or (2 if options.quick else 5)
    rounds = options.rounds or (1 if options.quick else 3)
    return proxy.run(machine, seconds=seconds, rounds=rounds, only=options.only)


def _sustained(machine: Machine, options: argparse.Namespace) -> Report:
    return sustained.run(machine, seconds=options.seconds or (5 if options.quick else 60))


def _restarts(machine: Machine, options: argparse.Namespace) -> Report:
    return restarts.run(machine, seconds=options.seconds or (8 if options.quick else 30))


BENCHMARKS: Mapping[str, Benchmark] = {
    "router": _router,
    "pipeline": _pipeline,
    "security": _security,
    "cache": _cache,
    "simulation": _simulation,
    "limiters": _limiters,
    "redis-limiters": _redis_limiters,
    "transport": _transport,
    "proxy": _proxy,
    "sustained": _sustained,
    "restarts": _restarts,
}
"""In the order in which `all` runs them: the quick ones first."""

_LENGTHS = ("quick", "seconds", "rounds", "only")
"""Options that change what is measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 if something of it failed. A missed bar or a missing tool is said, but no failure."""
    options = _parser().parse_args(arguments)
    machine = Machine.detect()
    for note in machine.notes:
        print(f"note: {note}")
    reports: dict[str, Report] = {}
    failed = False
    for name in BENCHMARKS if options.benchmark == "all" else (options.benchmark,):
        print(f"\n{name}: running", flush=True)
        try:
            reports[name] = BENCHMARKS[name](machine, options)
            if options.record:
                how = {key: value for key, value in vars(options).items() if value and key in _LENGTHS}
                found = record.entry(reports[name], machine, time.strftime("%Y-%m-%d"), how)
                record.keep(record.RECORD, name, found)
        except NotMeasuredError as error:
            failed = True
            reports[name] = Report(f"{name}: not measured", notes=[str(error)])
        print(reports[name], flush=True)
        _write(options.output, machine, reports)
    print(f"\n{_verdict(reports)}; figures are in {options.output}")
    return 1 if failed else 0


def _verdict(reports: Mapping[str, Report]) -> str:
    bars = [bar for report in reports.values() for bar in report.bars]
    return f"{sum(bar.met for bar in bars)} of {len(bars)} bars met"


def _write(path: Path, machine: Machine, reports: Mapping[str, Report]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine.as_json(), **{name: report.as_json() for name, report in reports.items()}}
    path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure this gateway beside others.")
    parser.add_argument("benchmark", nargs="?", default="all", choices=["all", *BENCHMARKS])
    parser.add_argument("--quick", action="store_true", help="one short round of everything: a rough idea")
    parser.add_argument(
        "--seconds", type=_positive, help="length of a round of `proxy`, `security`, `cache`, `sustained`, `restarts`"
    )
    parser.add_argument("--rounds", type=_positive, help="rounds of `proxy`, `security` and `cache`")
    parser.add_argument(
        "--only", type=_names, default=(), metavar="NAME,...", help=f"contenders of `proxy`: {', '.join(NAMES)}"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/bench.json"), help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--record", action="store_true", help="also keep the figures in benchmarks/results.json, which documents quote"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no contender is named {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return names


if __name__ == "__main__":
    end_on_signals()
    set_apart()  # what a gateway in this process costs, it costs as in one that serves
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
