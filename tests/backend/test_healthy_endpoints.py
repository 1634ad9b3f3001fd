"""Healthy endpoints: who may be chosen, when all are, and that everybody comes back."""

from __future__ import annotations

import logging
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.healthy_endpoints import HealthyEndpoints
from api_gateway.backend.slow_start import SlowStart
from api_gateway.core.clock import NANOSECONDS
from tests.support.load_balancers import of_one_weight

SECOND = NANOSECONDS


def pool_of(count: int, *, panic_threshold: float = 0.5, slow_start: SlowStart | None = None) -> HealthyEndpoints:
    members = of_one_weight(count)
    return HealthyEndpoints("s", members, panic_threshold=panic_threshold, slow_start=slow_start, random=Random(1))


def take_out(pool: HealthyEndpoints, *places: int) -> None:
    for place in places:
        pool.take_out(pool.members[place], "check", "dead")


@pytest.mark.parametrize(
    ("count", "dead", "threshold", "used", "panicking"),
    [
        (1, 0, 0.5, [0], False),
        (1, 1, 0.5, [0], True),
        (1, 1, 0.0, [], False),
        (2, 1, 0.5, [1], False),
        (2, 2, 0.5, [0, 1], True),
        (3, 1, 0.5, [1, 2], False),
        (3, 2, 0.5, [0, 1, 2], True),
        (3, 2, 0.0, [2], False),
        (3, 3, 0.01, [0, 1, 2], True),
        (3, 2, 0.01, [2], False),
        (10, 5, 0.5, [5, 6, 7, 8, 9], False),
        (10, 6, 0.5, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], True),
        (10, 1, 1.0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], True),
        (10, 3, 0.7, [3, 4, 5, 6, 7, 8, 9], False),
    ],
)
def test_the_healthy_are_used_or_all_if_they_are_too_few(
    count: int, dead: int, threshold: float, used: list[int], panicking: bool
) -> None:
    pool = pool_of(count, panic_threshold=threshold)
    take_out(pool, *range(dead))
    assert [pool.members.index(endpoint) for endpoint in pool.usable] == used
    assert (pool.panicking, pool.healthy, pool.settled) == (panicking, count - dead, bool(used))


def test_without_endpoints_nobody_is_usable_and_nobody_panics() -> None:
    pool = pool_of(0)
    assert (pool.usable, pool.panicking, pool.settled) == ((), False, False)
    pool.change_members(of_one_weight(1), 0)
    assert (len(pool.usable), pool.settled) == (1, True)


def test_balancers_get_the_same_object_until_something_changes() -> None:
    pool = pool_of(4)
    assert pool.usable is pool.members
    take_out(pool, 0)
    without_first = pool.usable
    take_out(pool, 0)
    pool.take_out(pool.members[0], "outlier", "errors", SECOND)
    pool.bring_back(pool.members[0], "check", 0)
    assert pool.usable is without_first, "still out for the other reason"
    pool.bring_back(pool.members[1], "check", 0)
    assert pool.usable is without_first, "it was never out"
    pool.refresh(SECOND)
    assert pool.usable is pool.members


def test_an_ejection_ends_at_its_very_nanosecond() -> None:
    pool = pool_of(4)
    first = pool.members[0]
    pool.take_out(first, "outlier", "errors", until=5 * SECOND)
    assert (pool.settled, pool.ejected, pool.is_healthy(first)) == (False, 1, False)
    assert first not in pool.refresh(5 * SECOND - 1)
    assert first in pool.refresh(5 * SECOND)
    assert (pool.settled, pool.ejected, pool.is_healthy(first)) == (True, 0, True)


def test_who_leaves_takes_its_history_along_and_who_stays_keeps_it() -> None:
    pool = pool_of(4)
    first, second, third, fourth = pool.members
    pool.take_out(first, "outlier", "errors", until=5 * SECOND)
    pool.take_out(second, "check", "dead")
    pool.change_members([second, third, fourth], 0)
    assert (pool.usable, pool.ejected, pool.settled) == ((third, fourth), 0, True)
    pool.change_members([first, second, third, fourth], 0)
    assert pool.usable == (first, third, fourth)
    pool.take_out(Endpoint("http://stranger"), "check", "dead")
    pool.bring_back(Endpoint("http://stranger"), "check", 0)
    assert pool.healthy == 3


def test_new_and_returning_endpoints_warm_up_and_the_first_ones_do_not() -> None:
    pool = pool_of(3, slow_start=SlowStart(10.0))
    first = pool.members[0]
    assert (pool.settled, pool.health(first, 0).state) == (True, "healthy")
    take_out(pool, 0)
    pool.bring_back(first, "check", SECOND)
    assert pool.health(first, 6 * SECOND) == ("warming", "slow start, at 50% of its share")
    assert not pool.settled
    pool.refresh(11 * SECOND)
    assert (pool.settled, pool.health(first, 11 * SECOND).state) == (True, "healthy")
    new = Endpoint("http://new")
    pool.change_members([*pool.members, new], 20 * SECOND)
    assert (pool.health(new, 20 * SECOND).state, pool.health(first, 20 * SECOND).state) == ("warming", "healthy")
    pool.take_out(new, "check", "dead")
    assert (pool.settled, pool.health(new, 21 * SECOND).state) == (True, "unhealthy")


def test_health_names_every_reason() -> None:
    pool = pool_of(3)
    first = pool.members[0]
    pool.take_out(first, "outlier", "5 errors in a row", until=SECOND)
    assert pool.health(first, 0) == ("ejected", "5 errors in a row")
    pool.take_out(first, "check", "status 503")
    assert pool.health(first, 0) == ("unhealthy", "5 errors in a row; status 503")
    assert pool.health(first, SECOND) == ("unhealthy", "status 503")
    pool.bring_back(first, "check", SECOND)
    assert pool.health(first, SECOND) == ("healthy", "")


def test_every_change_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api_gateway.health")
    pool = pool_of(3)
    take_out(pool, 0, 1)
    for endpoint in pool.members[:2]:
        pool.bring_back(endpoint, "check", 0)
    assert caplog.messages == [
        "service s: endpoint http://e0 is taken out: dead",
        "service s: endpoint http://e1 is taken out: dead",
        "service s: 1 of 3 healthy: panic, all are used",
        "service s: endpoint http://e0 is back",
        "service s: 2 of 3 healthy: panic is over",
        "service s: endpoint http://e1 is back",
    ]


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="panic_threshold"):
        pool_of(1, panic_threshold=threshold)


class Changes(RuleBasedStateMachine):
    """Anything may happen in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.everybody = of_one_weight(6)
        self.pool = HealthyEndpoints("s", self.everybody, slow_start=SlowStart(3.0), random=Random(1))
        self.now = 0
        self.down: set[Endpoint] = set()
        self.until: dict[Endpoint, int] = {}

    @rule(place=st.integers(0, 5))
    def check_fails(self, place: int) -> None:
        self.pool.take_out(self.everybody[place], "check", "dead")
        if self.everybody[place] in self.pool.members:
            self.down.add(self.everybody[place])

    @rule(place=st.integers(0, 5))
    def check_passes(self, place: int) -> None:
        self.pool.bring_back(self.everybody[place], "check", self.now)
        self.down.discard(self.everybody[place])

    @rule(place=st.integers(0, 5), seconds=st.integers(1, 9))
    def ejected(self, place: int, seconds: int) -> None:
        self.pool.take_out(self.everybody[place], "outlier", "errors", self.now + seconds * SECOND)
        if self.everybody[place] in self.pool.members:
            self.until[self.everybody[place]] = self.now + seconds * SECOND

    @rule(seconds=st.integers(0, 5))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(places=st.sets(st.integers(0, 5)))
    def members_change(self, places: set[int]) -> None:
        self.pool.change_members([self.everybody[place] for place in sorted(places)], self.now)
        self.down &= set(self.pool.members)
        self.until = {each: until for each, until in self.until.items() if each in self.pool.members}

    @precondition(lambda self: self.pool.members)
    @invariant()
    def somebody_is_usable(self) -> None:
        assert self.pool.refresh(self.now)

    @invariant()
    def the_usable_ones_are_the_healthy_ones_or_all(self) -> None:
        usable = self.pool.refresh(self.now)
        out = self.down | {each for each, until in self.until.items() if until > self.now}
        healthy = tuple(each for each in self.pool.members if each not in out)
        assert self.pool.healthy == len(healthy)
        assert usable == (self.pool.members if 2 * len(healthy) < len(self.pool.members) else healthy)
        if self.pool.settled:
            assert self.pool.refresh(self.now + 10**15) is usable, "time alone changes nothing"
        for endpoint in self.pool.members:
            state = self.pool.health(endpoint, self.now).state
            assert (state in ("healthy", "warming")) == (endpoint in healthy)

    def teardown(self) -> None:
        for endpoint in self.everybody:
            self.pool.bring_back(endpoint, "check", self.now)
        assert self.pool.refresh(self.now + 9 * SECOND) == self.pool.members


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=50, stateful_step_count=20)
