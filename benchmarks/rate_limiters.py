"""Rate limiters: what one decision costs, and what one key takes, beside the limiters that others use.

Rule: everyone admits every request, with one key and with 100,000 in turn, and reads the clock itself
or has it read in the same loop. Contenders run in turn, in many short rounds, and the least of each
counts: noise only ever adds. A new limiter is made for each round with one key, because what some cost
grows with what they have seen.

`floor` is a method call with one dictionary look-up and one store. GCRA is compared with it in its
dearer case, a key that is still ahead, and both are handed the time.

Bytes are what a process of its own grows by (resident memory), keys made beforehand. Where the system
does not tell, they are what the allocator was asked for, which counts spare places that are never touched.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api_gateway.rate_limiting import (
    GCRA,
    FixedWindow,
    LeakyBucket,
    LeakyBucketQueue,
    RateLimiter,
    SlidingWindowCounter,
    SlidingWindowLog,
    TokenBucket,
)
from benchmarks.limiter_peers import PEERS, Acquire
from benchmarks.machine import Machine, pinned
from benchmarks.report import Bar, NotMeasuredError, Report, table

KEYS = 100_000
LIMIT = 1_000_000
"""Per second and at once: more than anybody can ask for."""
MOST_BYTES = 64
MOST_FLOORS = 5

_ONE_KEY = 2_000  # decisions of a round
_MANY_KEYS = 20_000
_TIMES_FASTER = {"throttled": 7, "limits": 10}
_ROOM = 100_000  # of the table through which the long sequence of keys goes


class Floor:
    """What no limiter can be cheaper than."""

    __slots__ = ("_states",)

    def __init__(self) -> None:
        self._states: dict[str, int] = {}

    def acquire(self, key: str, now: int) -> int | None:
        """One look-up, one store."""
        states = self._states
        state = states.get(key)
        states[key] = now
        return state


def _ours(algorithm: Callable[[int, float], RateLimiter]) -> Callable[[], Acquire]:
    return lambda: algorithm(LIMIT, 1).acquire


OURS: dict[str, Callable[[], Acquire]] = {
    "floor": lambda: Floor().acquire,
    "fixed_window": _ours(FixedWindow),
    "sliding_window_log": _ours(SlidingWindowLog),
    "sliding_window_counter": _ours(SlidingWindowCounter),
    "token_bucket": _ours(TokenBucket),
    "leaky_bucket": _ours(LeakyBucket),
    "leaky_bucket_queue": lambda: LeakyBucketQueue(LIMIT, 1, LIMIT).acquire,
    "gcra": _ours(GCRA),
}
CONTENDERS: dict[str, Callable[[], Acquire]] = {**OURS, **PEERS}
"""By name; a peer's name is its library, a space, and the algorithm of ours that it is compared with."""


@dataclass(slots=True)
class Costs:
    """Microseconds of CPU for one decision, and bytes for one key."""

    one_key: float = float("inf")
    many_keys: float = float("inf")
    bytes_per_key: float = 0.0


def run(machine: Machine, *, rounds: int = 15, keys: int = KEYS, sequence: int = 10_000_000) -> Report:
    """Measure everyone.

    Raises:
        NotMeasuredError: a process that measures memory failed.
    """
    report = Report(f"limiters: CPU us a decision, the least of {rounds} rounds; bytes a key at {keys:,} keys")
    with pinned(machine.test_core):
        costs = _decisions(keys, rounds)
        floors = _gcra_in_floors(keys, rounds)
        for name, found in costs.items():
            found.bytes_per_key = _child("bytes", name, str(keys))
        report.figures["bytes_per_key_at_100_hits"] = {
            name: _child("bytes", name, str(keys // 100), "100")
            for name in ("sliding_window_log", "limits sliding_window_log")
        }
        growth = _child("sequence", str(sequence)) if sequence else 0.0
    report.table = table(
        ("", "one key", f"{keys:,} keys", "bytes"),
        [
            [name, f"{found.one_key:.2f}", f"{found.many_keys:.2f}", f"{found.bytes_per_key:,.0f}"]
            for name, found in costs.items()
        ],
    )
    report.figures |= {
        "one_key_microseconds": {name: found.one_key for name, found in costs.items()},
        "many_keys_microseconds": {name: found.many_keys for name, found in costs.items()},
        "bytes_per_key": {name: found.bytes_per_key for name, found in costs.items()},
        "gcra_in_floors": floors,
        "sequence": {"keys": sequence, "room": _ROOM, "grown_by_bytes": growth},
    }
    report.bars = list(_bars(costs, floors, keys))
    if sequence:
        name = f"{sequence:,} keys in sequence through room for {_ROOM:,}, memory grown by"
        report.bars.append(Bar(name, growth / 2**20, _ROOM * 4 * MOST_BYTES / 2**20, at_least=False, unit=" MiB"))
    return report


def _bars(costs: dict[str, Costs], floors: dict[str, float], keys: int) -> Iterator[Bar]:
    for peer, found in costs.items():
        library, _, algorithm = peer.partition(" ")
        if library in _TIMES_FASTER and algorithm in costs:
            ours, least = costs[algorithm], _TIMES_FASTER[library]
            yield Bar(f"{algorithm} / {library}, one key", found.one_key / ours.one_key, least, unit="x")
            yield Bar(f"{algorithm} / {library}, {keys:,} keys", found.many_keys / ours.many_keys, least, unit="x")
    for name, floor in floors.items():
        yield Bar(f"gcra, {name}, in floors", floor, MOST_FLOORS, at_least=False, unit="x")
    yield Bar("gcra, memory a key beyond the key", costs["gcra"].bytes_per_key, MOST_BYTES, at_least=False, unit=" B")


def names(count: int) -> list[str]:
    """Keys as they are: addresses."""
    return [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(count)]


def _decisions(keys: int, rounds: int) -> dict[str, Costs]:
    many = names(keys)
    found = {name: Costs() for name in CONTENDERS}
    filled = {name: make() for name, make in CONTENDERS.items()}
    gc.collect()
    gc.freeze()  # else a collection now and then would walk over everybody's keys
    for acquire in filled.values():
        _cost(acquire, many)
    for round_ in range(rounds):
        start = round_ * _MANY_KEYS % keys
        for name, make in CONTENDERS.items():
            acquire = make()
            acquire(many[0], time.monotonic_ns())
            cost = found[name]
            cost.one_key = min(cost.one_key, _cost(acquire, many[:1] * _ONE_KEY))
            cost.many_keys = min(cost.many_keys, _cost(filled[name], many[start : start + _MANY_KEYS]))
    gc.unfreeze()
    return found


def _cost(acquire: Acquire, keys: Sequence[str]) -> float:
    clock = time.monotonic_ns
    started = time.process_time()
    for key in keys:
        acquire(key, clock())
    return (time.process_time() - started) / len(keys) * 1e6


def _gcra_in_floors(keys: int, rounds: int) -> dict[str, float]:
    """GCRA on keys that are ahead of their time, as a multiple of the floor; see the module."""
    many = names(keys)
    # A round with one key takes half a millisecond, so there can be many, and a few will be undisturbed.
    return {"one key": _in_floors(many[:1] * 900, 10 * rounds), f"{keys:,} keys": _in_floors(many, max(1, rounds // 5))}


def _in_floors(asked: Sequence[str], rounds: int) -> float:
    least = {"floor": float("inf"), "gcra": float("inf")}
    for _ in range(4 * rounds):
        contenders: dict[str, Acquire] = {"floor": Floor().acquire, "gcra": GCRA(1000, 1).acquire}
        for name, acquire in contenders.items():
            start = time.monotonic_ns()
            for key in set(asked):
                acquire(key, start)
            least[name] = min(least[name], _cost_given_the_time(acquire, asked, start))
    return least["gcra"] / least["floor"]


def _cost_given_the_time(acquire: Acquire, keys: Sequence[str], start: int) -> float:
    started = time.process_time()
    for now, key in enumerate(keys, start):
        acquire(key, now)
    return (time.process_time() - started) / len(keys) * 1e6


def _child(*arguments: str) -> float:
    """What a process of its own measures."""
    command = [sys.executable, "-m", "benchmarks.rate_limiters", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotMeasuredError(f"measuring memory ended with code {done.returncode}: {done.stderr.strip()[-200:]}")
    return float(done.stdout)


def bytes_per_key(name: str, keys: int, hits: int = 1) -> float:
    """What this process grows by for each key of `name`."""
    many = names(keys)
    acquire = CONTENDERS[name]()
    acquire("first", time.monotonic_ns())
    gc.collect()
    resident = resident_bytes()
    if resident is None:
        tracemalloc.start()
    for _ in range(hits):
        for key in many:
            acquire(key, time.monotonic_ns())
    if resident is None:
        traced, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return traced / keys
    return ((resident_bytes() or resident) - resident) / keys


def grown_by_a_sequence(count: int) -> float:
    """Bytes by which this process grows while `count` keys come once each, one a microsecond."""
    limiter = GCRA(100, 1, max_keys=_ROOM)
    acquire = limiter.acquire
    before = resident_bytes() or 0
    for number in range(count):
        acquire(f"key-{number}", number * 1000)
    if limiter.table.overflows or len(limiter.table) > _ROOM:
        raise AssertionError(f"{len(limiter.table)} keys in room for {_ROOM}, {limiter.table.overflows} refused")
    return (resident_bytes() or 0) - before


def resident_bytes() -> int | None:
    """This process's resident memory; None where the system does not tell."""
    with suppress(OSError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return None


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "bytes":
        print(bytes_per_key(rest[0], *map(int, rest[1:])))
    else:
        print(grown_by_a_sequence(int(rest[0])))
