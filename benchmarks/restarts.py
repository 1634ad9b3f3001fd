"""Restarts: instances of a service are killed and started again under load. Does any request fail?

Three instances; one is killed (SIGKILL, in the middle of whatever it does), stays down for a while,
is started again on its port, and when the gateway uses it again, the next one is killed; until the
load ends. The load is an open loop (`open_loop.py`), so a pause of the gateway would show in the
latencies of all requests that were due meanwhile.

What it shows: retries make a crash invisible to clients who repeat nothing themselves, as long as
the requests are idempotent; and a dead instance is left out soon and taken back soon.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

from benchmarks.machine import Machine
from benchmarks.open_loop import OpenLoad
from benchmarks.processes import Process, Processes, free_port
from benchmarks.report import Bar, NotMeasuredError, Report, table
from benchmarks.sustained import constant_rate

RATE = 2_000
"""Requests a second."""
INSTANCES = 3
DOWN = 0.5
"""Seconds from the kill to the restart."""
BACK_IN_USE = 10.0
"""Seconds after the restart, at most, until the gateway has to use the instance again."""
KEPT = 0.99
"""The share of `RATE` that must be answered each second for the rate to count as held."""

_PATH = "/api/users/42"
_POLL = 0.02

_CONFIGURATION = """\
listen: {{host: 127.0.0.1, port: {port}}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
services:
  service:
    endpoints: [{urls}]
    timeout: {{connect: 1s, request: 3s}}
    retry: {{attempts: 3, on: [connect_error, 502, 503, 504], budget: 0.2, backoff: 25ms}}
    outlier_detection: {{consecutive_errors: 5, ejection_time: 500ms}}
middleware: []        # no access log: it would be measured too
routes:
  - {{path: /*, service: service}}
"""


def configuration(urls: Sequence[str], port: int = 8080, admin_port: int = 9901) -> str:
    """A gateway before the instances that retries, and leaves out for half a second who fails five times in a row."""
    return _CONFIGURATION.format(port=port, admin_port=admin_port, urls=", ".join(urls))


class Instance:
    """One instance of a service, on a port that it keeps when it is started again."""

    def __init__(self, name: str, processes: Processes, core: int | None = None) -> None:
        self.name = name
        self._processes = processes
        self._core = core
        self._port = free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Return when it answers.

        Raises:
            StartFailedError: it does not.
        """
        command = [sys.executable, "-m", "benchmarks.origin", str(self._port)]
        self._process = self._processes.start(self.name, command, self._core)
        self._process.wait_until_it_answers(self._port, _PATH)

    def kill(self) -> None:
        """Kill it, at once."""
        assert self._process is not None, "it has been started"
        self._process.popen.kill()  # reaped at the end: until then its number is not another's


@dataclass(frozen=True, slots=True)
class Restart:
    """One instance that was killed and started again."""

    instance: str
    back_after: float
    """Seconds from when it answered again to when the gateway used it again; infinite if it did not."""


def restart(instance: Instance, answered: Callable[[str], int], ended: Callable[[], bool]) -> Restart:
    """Kill an instance, start it again, wait until it is in use, or the load has `ended`.

    `answered` counts the answers that the gateway got from a URL.
    """
    instance.kill()
    time.sleep(DOWN)
    instance.start()
    started = time.monotonic()
    before = answered(instance.url)
    while answered(instance.url) <= before:
        if ended() or time.monotonic() - started > BACK_IN_USE:
            return Restart(instance.name, float("inf"))
        time.sleep(_POLL)
    return Restart(instance.name, time.monotonic() - started)


def run(machine: Machine, *, seconds: int = 20, rate: int = RATE) -> Report:
    """Restart instances in turn for `seconds`.

    Raises:
        NotMeasuredError: the gateway, an instance or the generator does not work.
    """
    report = Report(f"restarts: {INSTANCES} instances killed in turn under {rate:,} requests/s for {seconds} s")
    with Processes() as processes, ThreadPoolExecutor(1) as loads:
        instances = [Instance(f"instance-{number}", processes, machine.load_core) for number in range(INSTANCES)]
        for instance in instances:
            instance.start()
        port, admin_port, gateway = _start_gateway(instances, processes, machine)
        url = f"http://127.0.0.1:{port}{_PATH}"
        load = loads.submit(constant_rate, url, rate, seconds, machine, gateway)
        restarts = _restart_in_turn(instances, lambda url: _answered(admin_port, url), load)
        result, cpu = load.result()
        counts = _counts(admin_port)
    _fill(report, result, cpu, restarts, counts, rate)
    return report


def _start_gateway(instances: Sequence[Instance], processes: Processes, machine: Machine) -> tuple[int, int, Process]:
    port, admin_port = free_port(), free_port()
    written = configuration([instance.url for instance in instances], port, admin_port)
    file = processes.folder / "restarts.yaml"
    file.write_text(written)
    process = processes.start("gateway", [sys.executable, "-m", "api_gateway", "serve", str(file)], machine.test_core)
    process.wait_until_it_answers(port, _PATH)
    return port, admin_port, process


def _restart_in_turn(
    instances: Sequence[Instance], answered: Callable[[str], int], load: Future[tuple[OpenLoad, float | None]]
) -> list[Restart]:
    """Until the load ends; the restart that its end falls into does not count."""
    restarts: list[Restart] = []
    for instance in itertools.cycle(instances):
        latest = restart(instance, answered, load.done)
        if load.done():
            break
        restarts.append(latest)
    return restarts


def _fill(
    report: Report, load: OpenLoad, cpu: float | None, restarts: Sequence[Restart], counts: Counts, rate: int
) -> None:
    failures = sum(count["failures"] for count in counts.values())
    back = max((each.back_after for each in restarts), default=float("inf"))
    once = {each.instance for each in restarts}
    report.table = table(
        ("", "requests/s", "p50 ms", "p99 ms", "longest ms", "errors", "failed tries", "restarts", "CPU us"),
        [
            (
                "gateway with retries",
                f"{load.rate:,.0f}",
                f"{load.p50 * 1e3:.2f}",
                f"{load.p99 * 1e3:.2f}",
                f"{load.longest * 1e3:.2f}",
                str(load.errors),
                str(failures),
                str(len(restarts)),
                f"{cpu * 1e6:.1f}" if cpu is not None else "-",
            )
        ],
    )
    report.figures |= {"load": asdict(load), "failed_tries": failures, "restarts": [asdict(each) for each in restarts]}
    report.bars += [
        Bar("failed requests", load.errors, 0, at_least=False),
        Bar("instances killed and back in use", len(once), INSTANCES),
        Bar("longest until back in use", back, BACK_IN_USE, at_least=False, unit=" s"),
        Bar("rate held", load.rate, rate * KEPT, unit="/s"),
    ]
    report.notes.append(
        "failed tries are what the gateway met and clients did not: connections refused, and answers broken off"
    )


Counts = dict[str, dict[str, int]]
"""By the URL of an instance, how often it was asked, and how often it failed."""


def _counts(admin_port: int) -> Counts:
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=5.0)
    try:
        connection.request("GET", "/services")
        (service,) = json.loads(connection.getresponse().read())["services"]
        return {each["url"]: {name: each[name] for name in ("requests", "failures")} for each in service["endpoints"]}
    except (OSError, http.client.HTTPException, LookupError, ValueError) as error:
        raise NotMeasuredError(f"the gateway does not tell its counts: {error!r}") from None
    finally:
        connection.close()


def _answered(admin_port: int, url: str) -> int:
    counts = _counts(admin_port)[url]
    return counts["requests"] - counts["failures"]
