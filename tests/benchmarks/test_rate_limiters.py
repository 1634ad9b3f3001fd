import tracemalloc

import pytest

from benchmarks import rate_limiters
from benchmarks.limiter_peers import PEERS
from benchmarks.machine import Machine
from benchmarks.rate_limiters import CONTENDERS, OURS, Floor, bytes_per_key, names, run


@pytest.mark.parametrize("name", CONTENDERS)
def test_everyone_takes_a_key_and_a_time(name: str) -> None:
    acquire = CONTENDERS[name]()
    for key in names(3):
        acquire(key, 10**9)
        acquire(key, 10**9)


@pytest.mark.parametrize("name", OURS)
def test_ours_admit_whatever_the_benchmark_asks(name: str) -> None:
    acquire = CONTENDERS[name]()
    last = [acquire("key", 10**15 + now) for now in range(3_000)][-1]
    assert name == "floor" or getattr(last, "allowed", False)


def test_every_peer_is_compared_with_one_of_ours() -> None:
    algorithms = {name.partition(" ")[2] for name in PEERS} - {"hit only, fixed_window"}
    assert algorithms <= set(OURS)
    assert {name.partition(" ")[0] for name in PEERS} == {"limits", "throttled", "pyrate"}


def test_names_are_all_different() -> None:
    assert len(set(names(70_000))) == 70_000


def test_the_floor_looks_up_and_stores() -> None:
    floor = Floor()
    assert floor.acquire("key", 5) is None
    assert floor.acquire("key", 6) == 5


def test_memory_is_measured_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limiters, "resident_bytes", lambda: None)
    assert 40 < bytes_per_key("gcra", 5_000) < 120
    assert not tracemalloc.is_tracing(), "what comes later in this process would take many times as long"


def test_everything_is_measured_and_has_its_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rate_limiters, "CONTENDERS", {name: CONTENDERS[name] for name in ("floor", "gcra", "throttled gcra")}
    )
    monkeypatch.setattr(rate_limiters, "_child", lambda *_arguments: 50.0)
    report = run(Machine(()), rounds=1, keys=200, sequence=1_000)
    assert [bar.name for bar in report.bars] == [
        "gcra / throttled, one key",
        "gcra / throttled, 200 keys",
        "gcra, one key, in floors",
        "gcra, 200 keys, in floors",
        "gcra, memory a key beyond the key",
        "1,000 keys in sequence through room for 100,000, memory grown by",
    ]
    costs = report.figures["one_key_microseconds"]
    assert isinstance(costs, dict)
    assert report.bars[0].value == costs["throttled gcra"] / costs["gcra"]
