from functools import cache

import pytest

from api_gateway.plotting.retry_storms.laboratory import (
    CAPACITY,
    TRIGGER,
    Guard,
    Setup,
    Storm,
    breaker,
    places,
    storm,
    throttle,
)


@cache
def calm() -> Storm:
    return storm(Setup(retries=0), seconds=105)


@cache
def stormy() -> Storm:
    return storm(Setup(retries=3), seconds=80)


def test_two_runs_are_the_same_and_meet_the_same_arrivals() -> None:
    short = storm(Setup(retries=3), seconds=10)
    assert storm(Setup(retries=3), seconds=10) == short
    met = [one.sent for one in stormy().outcomes]
    assert [one.sent for one in calm().outcomes][: len(met)] == met
    assert storm(Setup(retries=3), seconds=10, seed=2) != short


def test_the_counts_add_up() -> None:
    assert (
        sum(calm().sent())
        == len(calm().outcomes)
        == calm().failed() + sum(one.status == 200 for one in calm().outcomes)
    )
    assert len(calm().calls) == len(calm().queued) == len(calm().useful()) == 105
    assert calm().sent() == pytest.approx(calm().calls, abs=2), "without retries each request is one call"
    assert calm().goodput(0, 60) == pytest.approx(sum(calm().sent()[:60]) / 60, abs=1)


def test_without_retries_it_recovers_when_the_queue_is_worked_off() -> None:
    recovered = calm().recovered()
    assert recovered is not None
    assert recovered - TRIGGER[1] == pytest.approx((70 - 10) * 10 / 30, abs=2)
    assert calm().amplification(0, 105) == pytest.approx(1, abs=0.01)


def test_with_three_retries_70_percent_load_never_recovers_and_20_percent_does() -> None:
    seed = 2  # another than that of all other tests
    stuck = storm(Setup(retries=3), 0.7, seconds=90, seed=seed)
    assert stuck.recovered() is None
    assert stuck.goodput(80, 90) == 0
    assert stuck.amplification(80, 90) == pytest.approx(4, abs=0.1)
    back = storm(Setup(retries=3), 0.2, seed=seed).recovered()
    assert back is not None
    assert 80 <= back <= 110  # (80 - 10) * 10 to be worked off, 20 a second, and chance has a part in it


GUARDS: list[tuple[Setup, float, float]] = [
    (Setup(budget=0.1), 14, 30),
    (Setup(queue=50), 0, 0),
    (Setup(guard=breaker), 0, 6),
    (Setup(guard=throttle), 5, 45),
    (Setup(guard=places(50)), 4, 12),
]


@pytest.mark.parametrize(("setup", "least", "most"), GUARDS)
def test_what_ends_the_storm_and_when(setup: Setup, least: float, most: float) -> None:
    recovered = storm(setup, seconds=82 + most).recovered()
    assert recovered is not None
    assert least <= recovered - TRIGGER[1] <= most


@pytest.mark.parametrize("guard", [places(CAPACITY), None])
def test_a_bulkhead_as_large_as_a_timeouts_worth_and_dropping_the_departed_do_not_end_it(guard: Guard | None) -> None:
    setup = Setup(guard=guard, notices_departures=guard is None)
    assert storm(setup, seconds=100).recovered() is None


def test_clients_that_stop_asking_are_no_recovery() -> None:
    ended_early = stormy()
    assert any(one.status == 200 for one in ended_early.outcomes if one.sent < 60)
    assert ended_early.recovered() is None
