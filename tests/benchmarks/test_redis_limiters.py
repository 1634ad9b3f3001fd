from __future__ import annotations

from benchmarks import redis_limiters
from benchmarks.machine import Machine
from benchmarks.redis_limiters import ceiling, run
from benchmarks.redis_peers import PEERS
from tests.support.valkey import valkey


def test_every_peer_is_compared_with_one_of_ours() -> None:
    assert {name.partition(" ")[2] for name in PEERS} <= set(redis_limiters._ALGORITHMS)
    assert {name.partition(" ")[0] for name in PEERS} == {"limits", "throttled"}


def test_everyone_decides_and_has_a_bar() -> None:
    report = run(Machine(()), decisions=200, rounds=1)
    assert [bar.name for bar in report.bars] == [
        f"{name.partition(' ')[2]} / {name.partition(' ')[0]}" for name in PEERS
    ]
    rates, ceilings = report.figures["decisions_per_second"], report.figures["ceiling_per_second"]
    assert isinstance(rates, dict)
    assert isinstance(ceilings, dict)
    assert report.bars[0].value == rates["fixed_window"] / rates["limits fixed_window"]
    assert set(ceilings) == set(redis_limiters._ALGORITHMS)


def test_the_ceiling_is_of_calls_that_were_answered() -> None:
    with valkey() as server:
        server.command("CONFIG", "RESETSTAT")
        assert ceiling(server.url, "gcra", 2_000) > 0
        statistics = server.command("INFO", "commandstats")
        assert statistics["cmdstat_evalsha"]["calls"] == 2_000
        assert statistics["cmdstat_evalsha"]["failed_calls"] == 0
        assert statistics["cmdstat_set"]["calls"] >= 2_000, "and each wrote its state"
