"""Outlier detection: who is ejected, when, for how long, and never too many."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.healthy_endpoints import HealthyEndpoints
from api_gateway.backend.outlier_detection import OutlierDetection, OutlierDetector
from api_gateway.core.clock import NANOSECONDS
from tests.support.load_balancers import of_one_weight

SECOND = NANOSECONDS


class Bench:
    """A detector over a few endpoints, with whole seconds."""

    def __init__(self, count: int = 3, options: OutlierDetection | None = None) -> None:
        self.pool = HealthyEndpoints("s", of_one_weight(count))
        self.detector = OutlierDetector(options or OutlierDetection(), self.pool)

    def __getitem__(self, place: int) -> Endpoint:
        return self.pool.members[place]

    def answers(self, place: int, results: str, now: int = 0, sent: int | None = None) -> None:
        """`+` succeeds and `-` fails."""
        sent = now if sent is None else sent
        for result in results:
            self.detector.observe(self[place], failed=result == "-", sent=sent * SECOND, now=now * SECOND)

    def used(self, now: float = 0) -> list[int]:
        usable = self.pool.refresh(round(now * SECOND))
        return [place for place, endpoint in enumerate(self.pool.members) if endpoint in usable]


def test_so_many_errors_in_a_row_eject_at_the_last_of_them() -> None:
    bench = Bench()
    bench.answers(0, "----+----")
    assert bench.used() == [0, 1, 2], "a success in between starts the count anew"
    bench.answers(0, "-")
    assert bench.used() == [1, 2]
    assert bench.pool.health(bench[0], 0) == ("ejected", "5 errors in a row; ejected for 30 s")


def test_each_ejection_is_longer_than_the_one_before_up_to_a_limit() -> None:
    bench = Bench(options=OutlierDetection(consecutive_errors=1, ejection_time=10, max_ejection_time=35, interval=1000))
    now = 0
    for seconds in (10, 20, 30, 35, 35):
        bench.answers(0, "-", now)
        now += seconds
        assert bench.used(now - 0.001) == [1, 2]
        assert bench.used(now) == [0, 1, 2]


def test_the_number_of_ejections_falls_while_the_endpoint_is_in_use() -> None:
    bench = Bench(options=OutlierDetection(consecutive_errors=1, ejection_time=10, interval=100))
    for begin, seconds in ((0, 10), (10, 20), (30, 30)):
        bench.answers(0, "-", begin)
        assert (bench.used(begin + seconds - 0.001), bench.used(begin + seconds)) == ([1, 2], [0, 1, 2])
    bench.answers(0, "-", 60 + 200)  # two intervals: 3 - 2 + 1 = 2
    assert (bench.used(279.999), bench.used(280)) == ([1, 2], [0, 1, 2])
    bench.answers(0, "-", 280 + 99_999)
    assert bench.used(280 + 99_999 + 10) == [0, 1, 2], "all forgotten"


def test_a_repeated_ejection_is_not_late() -> None:
    """Envoy 40697: after the first ejection the next one took more errors than it should, or a sweep."""
    bench = Bench(options=OutlierDetection(consecutive_errors=5, ejection_time=1))
    now = 0
    for number in range(1, 6):
        bench.answers(0, "----", now)
        assert 0 in bench.used(now)
        bench.answers(0, "-", now)
        assert 0 not in bench.used(now), number
        now += number
        assert 0 in bench.used(now), "and it comes back by itself"


def test_answers_to_what_was_sent_before_the_end_of_an_ejection_say_nothing() -> None:
    bench = Bench(options=OutlierDetection(consecutive_errors=2, ejection_time=10))
    bench.answers(0, "--")
    bench.answers(0, "-" * 50, now=5, sent=0)
    bench.answers(0, "-" * 50, now=11, sent=9)
    assert bench.used(11) == [0, 1, 2]
    bench.answers(0, "--", now=11, sent=10)
    assert bench.used(11) == [1, 2]


@pytest.mark.parametrize(
    ("count", "share", "ejected"), [(2, 0.1, 1), (3, 0.1, 1), (20, 0.1, 2), (10, 0.29, 2), (10, 0.3, 3), (4, 1.0, 3)]
)
def test_only_a_share_is_ejected_but_always_one_and_never_the_last(count: int, share: float, ejected: int) -> None:
    bench = Bench(count, OutlierDetection(max_ejection=share))
    for place in range(count):
        bench.answers(place, "-----")
    assert bench.pool.ejected == ejected
    assert bench.used() == list(range(ejected, count)) or bench.pool.panicking


def test_a_single_endpoint_is_no_outlier() -> None:
    bench = Bench(1)
    bench.answers(0, "-" * 100)
    assert (bench.used(), bench.pool.ejected, bench.pool.panicking) == ([0], 0, False)


def test_the_last_one_that_passes_its_checks_is_not_ejected() -> None:
    bench = Bench(3, OutlierDetection(max_ejection=1))
    bench.pool.take_out(bench[0], "check", "dead")
    bench.pool.take_out(bench[1], "check", "dead")
    bench.answers(2, "-" * 100)
    bench.answers(0, "-" * 100)
    assert bench.pool.ejected == 0
    bench.pool.bring_back(bench[0], "check", 0)
    bench.answers(2, "-")
    assert bench.used() == [0, 1, 2]
    assert (bench.pool.panicking, bench.pool.ejected) == (True, 1)


def test_who_could_not_be_ejected_is_as_soon_as_there_is_room() -> None:
    bench = Bench(3)
    bench.answers(0, "-----")
    bench.answers(1, "-----")
    assert bench.used() == [1, 2]
    bench.answers(1, "-", now=30)
    assert bench.used(30) == [0, 2]


def test_an_endpoint_that_left_is_forgotten_and_a_new_one_begins_anew() -> None:
    bench = Bench(3)
    gone = bench[0]
    bench.answers(0, "----")
    bench.answers(1, "----")
    bench.pool.change_members([bench[1], bench[2]], 0)
    bench.detector.observe(gone, failed=True, sent=0, now=0)
    bench.answers(1, "+")
    bench.pool.change_members([gone, *bench.pool.members], 0)
    bench.answers(0, "-")
    assert bench.used() == [0, 1, 2]


def success_rates(*shares: float, requests: int = 200, switched_on: bool = True) -> list[int]:
    """The places left in use after an interval with such shares of successes, errors never five in a row."""
    options = OutlierDetection(consecutive_errors=1000, max_ejection=0.5, success_rate=switched_on)
    bench = Bench(len(shares), options)
    for place, share in enumerate(shares):
        good = round(share * requests)
        bench.answers(place, "+" * good + "-" * (requests - good), now=1)
    bench.answers(0, "+", now=11)
    return bench.used(11)


def test_a_success_rate_far_below_the_mean_ejects() -> None:
    assert success_rates(1, 1, 1, 1, 0.5) == [0, 1, 2, 3]
    assert success_rates(1, 1, 1, 1, 0.5, switched_on=False) == [0, 1, 2, 3, 4]


def test_rates_that_are_alike_eject_nobody_however_bad() -> None:
    assert success_rates(0.5, 0.5, 0.5, 0.5, 0.5) == [0, 1, 2, 3, 4]
    assert success_rates(0.9, 0.8, 0.7, 0.6, 0.5) == [0, 1, 2, 3, 4]


def test_few_endpoints_or_few_requests_are_not_compared() -> None:
    assert success_rates(1, 1, 1, 0) == [0, 1, 2, 3]
    assert success_rates(1, 1, 1, 1, 0, requests=99) == [0, 1, 2, 3, 4]
    assert success_rates(1, 1, 1, 1, 0, requests=101) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "wrong", [{"consecutive_errors": 0}, {"ejection_time": 0}, {"max_ejection": 0}, {"max_ejection": 1.5}]
)
def test_a_detection_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"not an outlier|max_ejection"):
        OutlierDetection(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@settings(max_examples=80)
@given(
    st.integers(1, 7),
    st.floats(0.01, 1),
    st.lists(st.tuples(st.integers(0, 6), st.text("+-", min_size=1, max_size=6), st.integers(0, 20)), max_size=40),
    st.booleans(),
)
def test_whatever_is_answered_somebody_is_used_the_bound_holds_and_everybody_comes_back(
    count: int, share: float, events: list[tuple[int, str, int]], success_rate: bool
) -> None:
    bench = Bench(count, OutlierDetection(2, max_ejection=share, success_rate=success_rate))
    now = 0
    for place, results, pause in events:
        now += pause
        bench.answers(place % count, results, now)
        assert bench.used(now)
        assert bench.pool.healthy >= 1, "without panic too"
        assert bench.pool.ejected <= max(1, share * count + 1e-9)
    assert bench.used(now + 300) == list(range(count))
