"""The admission queue: bounds, order, who is turned away, and nobody forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api_gateway.resilience.admission_queue import FAIR_TURN, AdmissionQueue
from api_gateway.resilience.priority import Priority

CRITICAL, DEFAULT, SHEDDABLE = Priority.CRITICAL, Priority.DEFAULT, Priority.SHEDDABLE


def full(queue: int, limit: int = 1) -> AdmissionQueue[str]:
    places: AdmissionQueue[str] = AdmissionQueue(limit, queue)
    for _ in range(limit):
        assert places.enter()
    return places


def served(places: AdmissionQueue[str], count: int) -> list[str | None]:
    order = []
    for _ in range(count):
        places.release()
        order.append(places.grant())
    return order


def test_as_many_enter_as_there_are_places() -> None:
    places: AdmissionQueue[str] = AdmissionQueue(2)
    assert [places.enter() for _ in range(3)] == [True, True, False]
    places.release()
    assert places.enter()


def test_without_a_queue_the_newcomer_is_turned_away() -> None:
    assert full(0).wait("a", CRITICAL) == "a"


def test_first_come_first_served_within_a_class() -> None:
    places = full(3)
    assert [places.wait(who) for who in "abc"] == [None, None, None]
    assert served(places, 4) == ["a", "b", "c", None]
    assert places.in_flight == 0


def test_a_higher_class_is_served_first() -> None:
    places = full(6)
    for who, priority in zip("sdcSDC", [SHEDDABLE, DEFAULT, CRITICAL] * 2, strict=True):
        places.wait(who, priority)
    assert served(places, 6) == ["c", "C", "d", "D", "s", "S"]


def test_a_full_queue_turns_away_the_last_comer_of_the_lowest_class() -> None:
    places = full(3)
    places.wait("old", SHEDDABLE)
    places.wait("new", SHEDDABLE)
    places.wait("d", DEFAULT)
    assert places.wait("c", CRITICAL) == "new"
    assert places.wait("D", DEFAULT) == "old"
    assert places.wait("C", CRITICAL) == "D"
    assert served(places, 3) == ["c", "C", "d"]


@pytest.mark.parametrize("newcomer", [DEFAULT, SHEDDABLE])
def test_nobody_is_displaced_by_an_equal_or_a_lower_class(newcomer: Priority) -> None:
    places = full(1)
    places.wait("d", DEFAULT)
    assert places.wait("new", newcomer) == "new"
    assert served(places, 1) == ["d"]


def test_one_that_leaves_from_the_middle_is_not_served_and_makes_room() -> None:
    places = full(3)
    for who in "abc":
        places.wait(who)
    assert places.leave("b")
    assert not places.leave("b")
    assert places.wait("d") is None
    assert served(places, 3) == ["a", "c", "d"]


def test_a_higher_limit_grants_several_at_once() -> None:
    places = full(3)
    for who in "abc":
        places.wait(who)
    places.limit = 3
    assert [places.grant() for _ in range(3)] == ["a", "b", None]


def test_a_lower_limit_is_kept_as_soon_as_enough_have_left() -> None:
    places = full(1, limit=3)
    places.wait("a")
    places.limit = 1
    assert served(places, 2) == [None, None]
    assert served(places, 1) == ["a"]


def test_ahead_counts_those_of_the_same_and_of_higher_classes() -> None:
    places = full(9)
    for count, priority in ((1, CRITICAL), (2, DEFAULT), (4, SHEDDABLE)):
        for number in range(count):
            places.wait(f"{priority.label}{number}", priority)
    assert [places.ahead(priority) for priority in Priority] == [1, 3, 7]


def test_a_stream_of_critical_requests_does_not_starve_the_others() -> None:
    places = full(100)
    places.wait("s", SHEDDABLE)
    grants = []
    for number in range(FAIR_TURN):
        places.wait(f"c{number}", CRITICAL)
        grants += served(places, 1)
    assert grants.index("s") == FAIR_TURN - 1


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=30), st.integers(0, FAIR_TURN))
def test_who_waits_with_k_before_it_has_its_turn_within_the_stated_bound(before: list[Priority], grants: int) -> None:
    places: AdmissionQueue[str] = full(10_000)
    for number in range(grants):  # any phase of the fair turns
        places.wait(f"phase{number}")
    served(places, grants)
    for number, priority in enumerate(before):
        places.wait(f"before{number}", priority)
    places.wait("it", SHEDDABLE)
    for number in range(FAIR_TURN * (len(before) + 1)):
        places.wait(f"after{number}", CRITICAL)
        if served(places, 1) == ["it"]:
            return
    raise AssertionError("starved")


@pytest.mark.parametrize(("limit", "queue"), [(0, 1), (-1, 1), (1, -1)])
def test_numbers_that_make_no_sense_are_errors(limit: int, queue: int) -> None:
    with pytest.raises(ValueError, match="must"):
        AdmissionQueue(limit, queue)


def test_to_release_more_than_was_granted_is_an_error() -> None:
    places: AdmissionQueue[str] = AdmissionQueue(1)
    with pytest.raises(ValueError, match="released more often than granted"):
        places.release()


class Model(RuleBasedStateMachine):
    """Anything may happen in any order; the bounds hold, and nobody waits beside a free place."""

    def __init__(self) -> None:
        super().__init__()
        self.places: AdmissionQueue[int] = AdmissionQueue(3, 4)
        self.waiting: dict[int, Priority] = {}
        self.in_flight = 0
        self.number = 0

    @rule(priority=st.sampled_from(Priority))
    def arrive(self, priority: Priority) -> None:
        self.number += 1
        if self.places.enter():
            self.in_flight += 1
            assert not self.waiting
            return
        turned_away = self.places.wait(self.number, priority)
        self.waiting[self.number] = priority
        if turned_away is not None:
            lost = self.waiting.pop(turned_away)
            assert all(lost >= other for other in self.waiting.values())
            assert all(who < turned_away for who, other in self.waiting.items() if other == lost)

    @precondition(lambda self: self.in_flight)
    @rule()
    def finish(self) -> None:
        self.places.release()
        self.in_flight -= 1
        self.take()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.places.leave(who, self.waiting.pop(who))

    @rule(limit=st.integers(1, 6))
    def change(self, limit: int) -> None:
        self.places.limit = limit
        self.take()

    def take(self) -> None:
        while (who := self.places.grant()) is not None:
            granted = self.waiting.pop(who)
            assert all(who < other for other, priority in self.waiting.items() if priority == granted)
            self.in_flight += 1
            assert self.in_flight <= self.places.limit

    @invariant()
    def counts_agree(self) -> None:
        assert (self.places.in_flight, self.places.queued) == (self.in_flight, len(self.waiting))
        assert self.places.queued <= 4
        assert not self.waiting or self.in_flight >= self.places.limit


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=40)
