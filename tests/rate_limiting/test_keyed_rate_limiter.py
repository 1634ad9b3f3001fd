"""Around every algorithm: the policy of a full table, and taking an admission back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from api_gateway.rate_limiting import GCRA, FixedWindow
from tests.support.rate_limiters import ALGORITHMS, Ask, Limiter, limiter, quotas, traces

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)


@each_algorithm
def test_a_new_key_is_refused_when_the_table_is_full_of_live_ones(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 2, 100, 2, max_keys=2)
    assert subject.acquire("a", 0).allowed
    assert subject.acquire("b", 0).allowed
    refusal = subject.acquire("c", 0)
    assert (refusal.allowed, refusal.remaining, refusal.retry_after) == (False, 0, 100)
    assert subject.table.overflows == 1
    assert subject.acquire("a", 0).allowed
    assert subject.acquire("c", 1000).allowed


@each_algorithm
def test_or_it_is_admitted_without_being_counted_where_that_is_the_policy(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 2, 100, 2, max_keys=2, when_full="admit")
    subject.acquire("a", 0, 2)
    subject.acquire("b", 0, 2)
    assert all(subject.acquire("c", 0, 2).allowed for _ in range(10))
    assert not subject.acquire("a", 0, 2).allowed
    assert subject.table.overflows == 10


@each_algorithm
def test_what_is_refused_takes_no_room(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 2, 100, 2, max_keys=1)
    for number in range(10):
        subject.acquire(f"too-much-{number}", 0, 100)
        subject.acquire(f"only-asks-{number}", 0, 0)
    assert subject.acquire("key", 0).allowed
    assert subject.table.overflows == 0


@each_algorithm
@settings(max_examples=40)
@given(quotas(), traces())
def test_what_is_undone_was_never_asked(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask]
) -> None:
    plain, undone = limiter(algorithm, *quota), limiter(algorithm, *quota)
    for index, ask in enumerate(trace):
        decision, undo = undone.reserve("key", ask.now, ask.cost)
        assert decision == plain.decide(plain.table.get("key"), ask.now, ask.cost)[1]
        if index % 2:
            undo()
            assert undone.table.get("key") == plain.table.get("key")
        else:
            assert plain.acquire("key", ask.now, ask.cost) == decision
    assert len(undone.table) == len(plain.table)


@pytest.mark.parametrize("options", [{"when_full": "forget"}, {"max_keys": 0}])
def test_a_wrong_option_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        GCRA(1, 1, **options)


def test_the_rule_is_the_algorithms_part() -> None:
    class Unwritten(FixedWindow):
        decide = Limiter.decide
        is_idle = Limiter.is_idle

    with pytest.raises(NotImplementedError):
        Unwritten(1, 1).acquire("key", 0)
    with pytest.raises(NotImplementedError):
        Unwritten(1, 1).is_idle((0, 0), 0)
