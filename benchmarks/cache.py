"""Cache: what its layer costs a request in-process, and what it answers per second beside others.

Rule: the layer is made by the configuration, as a gateway has it, before a service that answers at once with a body
that is all there. In each of several rounds the same requests run with the layer and without; a cost is the median of
the differences. CPU is the process's own. The answers' fields are new objects each time, as a parser makes them.

| row              | what is asked for                                                       |
|------------------|-------------------------------------------------------------------------|
| hit              | one answer that is kept                                                 |
| miss, kept       | something else each time; may be kept for a minute                      |
| miss, store full | likewise; each displaces another                                        |
| miss, streamed   | likewise, its body comes as a stream of one chunk                       |
| miss, not kept   | something else each time; says `no-store`                               |

On sockets wrk asks for one answer that everybody keeps: a gateway with a cache and nothing else, nginx's
`proxy_cache`, and as the ceiling the gateway's own server, uvicorn, whose application answers the same fields and
body by itself, and one that answers `{}`.

What it does not do: measure hit ratios (`caching/s3_fifo.py` says them), or a shared store.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from statistics import median

from api_gateway import Handler, Headers, Middleware, Request, RequestContext, Response, build_gateway
from api_gateway.core.middleware import chain
from benchmarks import event_loop, wrk
from benchmarks.contenders import PATH, Contender
from benchmarks.machine import Machine, pinned, tool
from benchmarks.origin import BODY
from benchmarks.processes import Processes, StartFailedError, free_port
from benchmarks.proxies import nginx
from benchmarks.proxy import load, ratios
from benchmarks.report import Bar, Report, table

MISS_LIMIT = 15.0
"""Microseconds that a miss costs more than no cache."""
HIT_SHARE = 0.65
"""Of what the server answers by itself."""

CEILING = "uvicorn, the same"
_TURN = 32
_FIELDS = Headers(
    {
        "host": "api.example.com",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "accept": "application/json",
        "accept-language": "en-GB,en;q=0.8",
        "accept-encoding": "gzip, deflate, br",
        "x-request-id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-proto": "https",
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request."""

    cache_control: str = "public, max-age=60"
    paths: int = 0
    """Different ones; 0 for a new one each time."""
    streamed: bool = False
    store: str = "64MiB"


ROWS: Mapping[str, Row] = {
    "hit": Row(paths=1),
    "miss, kept": Row(),
    "miss, store full": Row(store="256KiB"),
    "miss, streamed": Row(streamed=True),
    "miss, not kept": Row(cache_control="no-store"),
}


class Service:
    """Answers at once, with fields made anew as a parser makes them."""

    def __init__(self, row: Row) -> None:
        self._streamed = row.streamed
        fields = {
            "server": "origin",
            "date": formatdate(usegmt=True),
            "content-type": "application/json",
            "content-length": str(len(BODY)),
            "cache-control": row.cache_control,
            "etag": '"5f2a81c0"',
        }
        self._head = "\n".join(f"{name}: {value}" for name, value in fields.items()).encode()
        self.asked = 0

    async def __call__(self, _request: Request, _context: RequestContext) -> Response:
        """The next answer."""
        self.asked += 1
        pairs = []
        for line in self._head.split(b"\n"):
            name, _, value = line.partition(b": ")
            pairs.append((name, value))
        return Response(200, Headers.from_pairs(pairs), _chunks() if self._streamed else BODY)


async def _chunks() -> AsyncIterator[bytes]:
    yield BODY


def layer(row: Row, service: Handler) -> Middleware:
    """The cache, as a configuration makes it."""
    config = {
        "middleware": [{"cache": {"max_size": row.store, "max_body": "16KiB"}}],
        "routes": [{"path": "/*", "service": "orders"}],
    }
    return build_gateway(config, {"orders": service}).middleware[-1]


def run(
    machine: Machine, *, requests: int = 4_000, rounds: int = 15, seconds: int = 3, socket_rounds: int = 3
) -> Report:
    """Measure every row, and on sockets; `socket_rounds` 0 leaves that out.

    Raises:
        NotMeasuredError: a gateway or the origin does not come up, or wrk fails.
    """
    report = Report(f"cache: CPU us over none, {event_loop.NAME}, median of {rounds} x {requests:,}")
    with pinned(machine.test_core):
        costs = {name: event_loop.run(_cost(row, requests, rounds)) for name, row in ROWS.items()}
    report.table = table(("", "CPU us"), [[name, f"{cost:.2f}"] for name, cost in costs.items()])
    report.figures = {"microseconds_over_no_cache": costs}
    report.bars = [
        Bar(f"a {name}", costs[name], MISS_LIMIT, at_least=False, unit=" us")
        for name in ("miss, kept", "miss, not kept")
    ]
    if socket_rounds:
        _sockets(report, machine, seconds, socket_rounds)
    return report


async def _cost(row: Row, requests: int, rounds: int) -> float:
    """What the layer adds to one request of `row`."""
    service = Service(row)
    bare = chain([], service)
    cached = chain([layer(row, service)], service)
    differences = []
    for number in range(rounds + 1):
        paths = [f"/orders/{index % row.paths if row.paths else f'{number}-{index}'}" for index in range(requests)]
        gc.collect()
        differences.append(-await _time(bare, paths) + await _time(cached, paths))
    return median(differences[1:])  # the first round fills the store, and the interpreter's own caches


async def _time(handler: Handler, paths: Sequence[str]) -> float:
    """Microseconds of CPU for one request: itself, its context, the whole answer, and closing that."""
    started = time.process_time()
    for place in range(0, len(paths), _TURN):
        for path in paths[place : place + _TURN]:
            request = Request.from_parts("GET", path, "", _FIELDS, b"")
            response = await handler(request, RequestContext(0, "192.0.2.7", "https", "1.1"))
            if isinstance(response.body, bytes):
                await response.close()
            else:
                async for _ in response.stream():
                    pass
        await asyncio.sleep(0)
    return (time.process_time() - started) / len(paths) * 1e6


def _sockets(report: Report, machine: Machine, seconds: int, rounds: int) -> None:
    """Add what is answered per second."""
    if tool("wrk") is None:
        report.notes.append(wrk.INSTALL)
        return
    with Processes() as processes:
        origin = start_cacheable("origin", processes, machine.load_core)
        upstream = f"http://127.0.0.1:{origin.port}"
        running = [
            start_gateway(processes, machine, upstream),
            start_cacheable(CEILING, processes, machine.test_core),
            _python("uvicorn, {}", "ceiling", processes, machine.test_core),
        ]
        try:
            running.append(_nginx(processes, machine, upstream))
        except StartFailedError as error:
            report.notes.append(f"nginx is left out: {error}")
        loads: dict[str, list[wrk.Load]] = {contender.name: [] for contender in running}
        for _ in range(rounds):
            for contender in running:
                loads[contender.name].append(load(contender, seconds, machine))
    multiples = ratios(loads)
    lines = []
    for name, each in loads.items():
        cpu = [one.cpu_per_request for one in each if one.cpu_per_request is not None]
        lines.append(
            [
                name,
                f"{median(one.rate for one in each):,.0f}",
                f"{median(cpu) * 1e6:.1f}" if cpu else "-",
                f"{multiples[name]:.2f} x" if name in multiples else "",
            ]
        )
    report.table += f"\n\nhits on sockets, {wrk.CONNECTIONS} connections, {rounds} x {seconds} s each, in turn\n\n"
    report.table += table(("", "requests/s", "CPU us", "gateway is"), lines)
    report.figures["hits_as_multiple_of"] = multiples
    report.figures["socket_rounds"] = {name: [one.as_json() for one in each] for name, each in loads.items()}
    report.bars += [
        Bar("hits / uvicorn answering the same", multiples[CEILING], HIT_SHARE, unit="x"),
        Bar("errors of the gateway", sum(one.errors for one in loads["gateway"]), 0, at_least=False),
    ]


def start_gateway(processes: Processes, machine: Machine, upstream: str) -> Contender:
    """A gateway with a cache and nothing else, that has kept the answer.

    Raises:
        StartFailedError: it does not come up, or keeps nothing.
    """
    port = free_port()
    configuration = processes.folder / f"cache-{port}.yaml"
    config = {
        "listen": {"host": "127.0.0.1", "port": port},
        "admin": {"host": "127.0.0.1", "port": free_port()},
        "services": {"users": {"endpoints": [upstream]}},
        "middleware": ["cache"],
        "routes": [{"path": "/*", "service": "users"}],
    }
    configuration.write_text(json.dumps(config))
    command = [sys.executable, "-m", "api_gateway", "serve", str(configuration)]
    process = processes.start(f"gateway-{port}", command, machine.test_core)
    process.wait_until_it_answers(port, PATH)
    gateway = Contender("gateway", port, process)
    cache_status(gateway)  # the first answer that is read to its end, and so the one that is kept
    if "hit" not in cache_status(gateway):
        raise StartFailedError("the gateway's second answer is no hit")
    return gateway


def cache_status(contender: Contender) -> str:
    """What a cache says of the answer that is measured."""
    connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=5)
    try:
        connection.request("GET", PATH, headers={"Host": f"127.0.0.1:{contender.port}"})
        response = connection.getresponse()
        response.read()  # who leaves in the middle of a body takes what would be kept along
        return response.headers.get("cache-status", "")
    finally:
        connection.close()


def start_cacheable(name: str, processes: Processes, core: int | None) -> Contender:
    """The server that gives the answer itself: the origin, and the ceiling.

    Raises:
        StartFailedError: it does not come up.
    """
    return _python(name, "cacheable", processes, core)


def _python(name: str, module: str, processes: Processes, core: int | None) -> Contender:
    port = free_port()
    process = processes.start(name, [sys.executable, "-m", "benchmarks.proxies", module, str(port), "none"], core)
    process.wait_until_it_answers(port, PATH)
    return Contender(name, port, process)


def _nginx(processes: Processes, machine: Machine, upstream: str) -> Contender:
    program = tool("nginx")
    if program is None:
        raise StartFailedError("it is not installed (apt-get install nginx-light, or brew install nginx)")
    port = free_port()
    command = nginx.command(program, processes.folder, port, upstream, caches=True)
    process = processes.start("nginx", command, machine.test_core)
    process.wait_until_it_answers(port, PATH)
    return Contender("nginx proxy_cache", port, process)
