"""Several limits at once: all are charged, or none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.rate_limiting import GCRA, Claim, Concurrency, FixedWindow, LeakyBucketQueue, acquire_all
from tests.support.rate_limiters import ALGORITHMS, Ask, Limiter, limiter, quotas, traces

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)


def test_what_one_refuses_charges_the_others_nothing() -> None:
    roomy, tight = GCRA(100, 1), GCRA(1, 60)
    claims = [Claim(roomy, "client"), Claim(tight, "route")]
    assert acquire_all(claims, 0).decision.allowed
    for _ in range(50):
        assert not acquire_all(claims, 0).decision.allowed
    assert roomy.acquire("client", 0, 0).remaining == 99


@each_algorithm
def test_whoever_refuses_first_or_last(algorithm: type[Limiter]) -> None:
    for order in (1, -1):
        roomy, tight = limiter(algorithm, 5, 100, 5), limiter(algorithm, 1, 100, 1)
        tight.acquire("key", 0, tight.acquire("key", 0, 0).limit)
        before = roomy.acquire("key", 0, 0)
        outcome = acquire_all([Claim(roomy, "key"), Claim(tight, "key")][::order], 0)
        assert not outcome.decision.allowed
        assert outcome.decisions[::order][0] == before
        assert roomy.acquire("key", 0, 0) == before
        assert len(roomy.table) == 0


@each_algorithm
def test_the_same_key_twice_is_charged_twice_or_not_at_all(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 3, 100, 3)
    most = subject.acquire("key", 0, 0).limit
    twice = [Claim(subject, "key", most - 1), Claim(subject, "key", 2)]
    assert not acquire_all(twice, 0).decision.allowed
    assert subject.acquire("key", 0, 0).remaining == most
    assert acquire_all([Claim(subject, "key", most - 1), Claim(subject, "key", 1)], 0).decision.allowed
    assert subject.acquire("key", 0, 0).remaining == 0


@each_algorithm
def test_what_one_key_was_charged_twice_is_taken_back_twice(algorithm: type[Limiter]) -> None:
    subject, tight = limiter(algorithm, 3, 100, 3), GCRA(1, 1)
    tight.acquire("key", 0)
    subject.acquire("key", 0)
    before = subject.acquire("key", 0, 0)
    claims = [Claim(subject, "key"), Claim(subject, "key"), Claim(subject, "new"), Claim(tight, "key")]
    assert not acquire_all(claims, 0).decision.allowed
    assert subject.acquire("key", 0, 0) == before
    assert subject.table.get("new") is None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(ALGORITHMS), quotas()), min_size=1, max_size=3), traces(keys=2))
def test_it_admits_what_all_would_admit_alone(
    kinds: list[tuple[type[Limiter], tuple[int, int, int]]], trace: list[Ask]
) -> None:
    together = [limiter(algorithm, *quota) for algorithm, quota in kinds]
    alone = [limiter(algorithm, *quota) for algorithm, quota in kinds]
    for ask in trace:
        outcome = acquire_all([Claim(subject, ask.key, ask.cost) for subject in together], ask.now)
        expected = all(subject.decide(subject.table.get(ask.key), ask.now, ask.cost)[1].allowed for subject in alone)
        assert outcome.decision.allowed == expected
        if expected:
            assert outcome.decisions == tuple(subject.acquire(ask.key, ask.now, ask.cost) for subject in alone)
        for one, other in zip(together, alone, strict=True):
            assert one.table.get(ask.key) == other.table.get(ask.key)


def test_the_tightest_admission_is_handed_back() -> None:
    outcome = acquire_all([Claim(GCRA(9, 1), "a"), Claim(GCRA(5, 1), "a"), Claim(FixedWindow(7, 1), "a")], 0)
    assert outcome.decision.limit == 5
    assert [decision.remaining for decision in outcome.decisions] == [8, 4, 6]


def test_the_longest_refusal_is_handed_back_and_is_tight() -> None:
    short, long, never = GCRA(1, 1), GCRA(1, 60), GCRA(1, 1, 1)
    for subject in (short, long):
        subject.acquire("key", 0)
    claims = [Claim(short, "key"), Claim(long, "key")]
    retry = acquire_all(claims, 0).decision.retry_after
    assert retry == 60 * 10**9
    assert not acquire_all(claims, retry - 1).decision.allowed
    assert acquire_all([*claims, Claim(never, "key", 2)], 0).decision.retry_after is None
    assert acquire_all(claims, retry).decision.allowed


def test_a_shapers_wait_is_handed_back_with_whatever_decision() -> None:
    queue, meter = LeakyBucketQueue(10, 1, 50), GCRA(2, 1)
    claims = [Claim(queue, "key"), Claim(meter, "key")]
    acquire_all(claims, 0)
    decision = acquire_all(claims, 0).decision
    assert (decision.limit, decision.remaining, decision.wait) == (2, 0, 10**8)


def test_a_place_in_flight_is_given_back_too() -> None:
    places, meter = Concurrency(5), GCRA(1, 1)
    claims = [Claim(places, "key"), Claim(meter, "key")]
    assert acquire_all(claims, 0).decision.allowed
    assert not acquire_all(claims, 0).decision.allowed
    assert places.in_flight("key") == 1


def test_an_error_charges_nothing() -> None:
    meter = GCRA(5, 1)
    with pytest.raises(ValueError, match="negative"):
        acquire_all([Claim(meter, "key"), Claim(meter, "key", -1)], 0)
    assert meter.acquire("key", 0, 0).remaining == 5


def test_no_claim_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="claim"):
        acquire_all([], 0)


def test_a_table_without_room_for_one_of_them_charges_none() -> None:
    full, roomy = GCRA(5, 1, max_keys=1), GCRA(5, 1)
    full.acquire("other", 0)
    assert not acquire_all([Claim(roomy, "key"), Claim(full, "key")], 0).decision.allowed
    assert len(roomy.table) == 0
