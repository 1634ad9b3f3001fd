import random

from api_gateway.plotting.rate_limiters.judgement import Judgement, judge
from api_gateway.plotting.rate_limiters.traffic import burst, merged, poisson
from api_gateway.rate_limiting import GCRA, FixedWindow, SlidingWindowCounter, SlidingWindowLog

TRAFFIC = poisson(12, 60, random.Random(5))


def test_the_log_makes_no_mistake() -> None:
    found = judge(SlidingWindowLog(10, 1), TRAFFIC, 10, 1)
    assert found.false_refusals == found.over_admissions == 0
    assert 0 < found.admitted < found.asked == len(TRAFFIC)


def test_a_fixed_window_admits_too_much_across_a_boundary() -> None:
    found = judge(FixedWindow(10, 1), burst(20, 0.99, 0.02), 10, 1)
    assert found == Judgement(asked=20, admitted=20, false_refusals=0, over_admissions=10)
    assert found.over_share == 0.5


def test_a_counter_refuses_what_there_is_room_for() -> None:
    early_then_late = merged(burst(10, 0), burst(10, 1.1))
    found = judge(SlidingWindowCounter(10, 1), early_then_late, 10, 1)
    assert found == Judgement(asked=20, admitted=11, false_refusals=9, over_admissions=0)
    assert found.false_share == 9 / 20


def test_half_the_rate_and_half_the_burst_never_admits_too_much() -> None:
    found = judge(GCRA(5, 1, 5), TRAFFIC, 10, 1)
    assert found.over_admissions == 0
    assert found.false_refusals > 0


def test_a_refusal_while_the_limit_is_spent_is_no_mistake() -> None:
    found = judge(FixedWindow(10, 1), burst(30, 0.5), 10, 1)
    assert found == Judgement(asked=30, admitted=10, false_refusals=0, over_admissions=0)
