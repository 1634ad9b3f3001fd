"""wrk: the load generator, and reading what it prints.

Closed loop: each of its connections sends the next request when the last is answered. It finds
what a proxy can carry at most; its latencies say what *these* connections saw, not what a client
arriving on its own schedule would have seen (`open_loop.py` measures that).

Source: https://github.com/wg/wrk
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from benchmarks.machine import pinned, tool
from benchmarks.report import NotMeasuredError

CONNECTIONS = 32
INSTALL = "wrk is not installed (apt-get install wrk, or brew install wrk): what it would measure is left out"

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"(\d+(?:\.\d+)?)(us|ms|s|m|h)"
_PERCENTILE = r"^\s+{}%\s+" + _DURATION + r"\s*$"


class WrkFailedError(NotMeasuredError):
    """wrk gave no measurement."""


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement under load. Latencies in seconds."""

    rate: float
    p50: float
    p99: float
    longest: float
    requests: int
    errors: int
    cpu_per_request: float | None = None
    """CPU seconds that the server spent on one request; None where it is not known."""

    def with_cpu(self, seconds: float) -> Load:
        """This measurement, for which the server used `seconds` of CPU."""
        return replace(self, cpu_per_request=seconds / self.requests)

    def as_json(self) -> dict[str, object]:
        """The measurement for a file."""
        return asdict(self)


def parse(output: str) -> Load:
    """What wrk measured, from what it printed with `--latency`.

    Raises:
        WrkFailedError: this is not such an output.
    """
    try:
        return Load(
            rate=float(_find(r"^Requests/sec:\s+([\d.]+)", output)[0]),
            p50=_seconds(_find(_PERCENTILE.format(50), output)),
            p99=_seconds(_find(_PERCENTILE.format(99), output)),
            longest=_seconds(_find(r"^\s+Latency\s+\S+\s+\S+\s+" + _DURATION, output)),
            requests=int(_find(r"^\s+(\d+) requests in ", output)[0]),
            errors=_errors(output),
        )
    except LookupError as error:
        raise WrkFailedError(f"wrk printed no {error}: {output.strip()[-200:] or 'nothing'}") from None


def run(url: str, seconds: int, core: int | None, connections: int = CONNECTIONS, headers: Sequence[str] = ()) -> Load:
    """Load `url` for `seconds` from one thread on `core`; `headers` are lines such as `Accept: */*`.

    Raises:
        WrkFailedError: wrk is missing, failed or did not end.
    """
    program = tool("wrk")
    if program is None:
        raise WrkFailedError(INSTALL)
    command = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "--latency"]
    command += [*(part for line in headers for part in ("-H", line)), url]
    with pinned(core):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
        except subprocess.TimeoutExpired:
            raise WrkFailedError(f"wrk did not end {seconds + 30} s after its start") from None
    if done.returncode != 0:
        raise WrkFailedError(f"wrk ended with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return parse(done.stdout)


def _find(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise LookupError(pattern)
    return match.groups()


def _seconds(groups: tuple[str, ...]) -> float:
    return float(groups[0]) * _UNITS[groups[1]]


def _errors(output: str) -> int:
    """Socket errors and statuses outside 2xx and 3xx; wrk prints neither line when there are none."""
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    counts = [*(sockets.groups() if sockets else ()), *(statuses.groups() if statuses else ())]
    return sum(int(count) for count in counts)
