"""Peak EWMA: up at once, down slowly; failures are not speed; the fast get more."""

from __future__ import annotations

import gc
import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LearningLoadBalancer, LoadBalancer
from api_gateway.backend.peak_ewma_load_balancer import PeakEwma, PeakEwmaLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.core.clock import NANOSECONDS, Clock, ManualClock
from api_gateway.simulation import Fault
from tests.support.load_balancers import chosen, in_the_laboratory, of_one_weight

SECOND = NANOSECONDS
DECAY = 10 * SECOND


def balancer_and_clock(seed: int = 1) -> tuple[PeakEwmaLoadBalancer, ManualClock]:
    clock = ManualClock()
    return PeakEwmaLoadBalancer(clock, Random(seed)), clock


# The average.


def test_a_peak_is_taken_over_at_once_and_forgotten_slowly() -> None:
    average = PeakEwma(DECAY)
    average.observe(100, 0)
    average.observe(900, 0)
    assert average.cost(0) == 900
    assert average.cost(DECAY) == pytest.approx(900 / math.e)
    assert average.cost(5 * DECAY) < 900 / 100


def test_a_shorter_duration_pulls_the_average_down_by_the_share_of_the_time_that_passed() -> None:
    average = PeakEwma(DECAY)
    average.observe(900, 0)
    average.observe(100, 0)
    assert average.cost(0) == 900, "no time has passed"
    average.observe(100, DECAY)
    assert average.cost(DECAY) == pytest.approx(900 / math.e + 100 * (1 - 1 / math.e))


def test_load_is_how_long_one_more_would_take() -> None:
    average = PeakEwma(DECAY)
    assert average.load(0, 0) == 0
    assert average.load(0, 1) > PeakEwma(DECAY).load(0, 0) + 1e18, "untried, and somebody is trying: not twice at once"
    average.observe(100, 0)
    assert [average.load(0, in_flight) for in_flight in (0, 1, 9)] == [100, 200, 1000]


def test_what_nobody_waited_for_can_raise_the_cost_but_not_lower_it() -> None:
    average = PeakEwma(DECAY)
    average.observe(500, 0)
    average.observe_at_least(100, 0)
    assert average.cost(0) == 500
    average.observe_at_least(700, 0)
    assert average.cost(0) == 700


def test_a_clock_that_stands_still_or_goes_back_does_no_harm() -> None:
    average = PeakEwma(DECAY)
    average.observe(500, 1000)
    assert average.cost(0) == 500


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 60 * SECOND), st.integers(0, 60 * SECOND)), min_size=1, max_size=30))
def test_the_cost_is_never_above_the_longest_nor_below_what_is_left_of_it(steps: list[tuple[int, int]]) -> None:
    average, now, peak, seen = PeakEwma(DECAY), 0, 0.0, 0
    for wait, duration in steps:
        now += wait
        average.observe(duration, now)
        peak, seen = max(peak * math.exp(-wait / DECAY), duration), max(seen, duration)
        assert peak * (1 - 1e-9) <= average.cost(now) <= seen * (1 + 1e-9)


# The choice.


def test_it_learns_and_says_so() -> None:
    balancer, _ = balancer_and_clock()
    assert isinstance(balancer, LearningLoadBalancer)
    assert not isinstance(RoundRobinLoadBalancer(), LearningLoadBalancer)


def test_the_faster_of_two_is_taken_until_it_has_as_much_more_to_do() -> None:
    balancer, _ = balancer_and_clock()
    fast, slow = of_one_weight(2)
    balancer.learn(fast, 100, "answered")
    balancer.learn(slow, 450, "answered")
    taken = []
    for _ in range(6):
        choice = chosen(balancer, (fast, slow))
        choice.acquire()
        taken.append("fast" if choice is fast else "slow")
    assert taken == ["fast", "fast", "fast", "fast", "slow", "fast"]


def test_an_untried_endpoint_has_one_request_at_a_time_until_it_answers() -> None:
    balancer, _ = balancer_and_clock()
    known, untried = members = of_one_weight(2)
    balancer.learn(known, 100, "answered")
    for _ in range(50):
        chosen(balancer, members).acquire()
    assert (known.in_flight, untried.in_flight) == (49, 1)
    untried.release()
    balancer.learn(untried, 100, "answered")
    assert chosen(balancer, members) is untried


def test_a_slow_one_is_tried_again_after_a_while() -> None:
    balancer, clock = balancer_and_clock()
    fast, slow = members = of_one_weight(2)
    balancer.learn(slow, 100 * SECOND, "answered")
    for _ in range(100):
        clock.advance(1)
        if chosen(balancer, members) is slow:
            return
        balancer.learn(fast, SECOND // 10, "answered")
    pytest.fail("never tried again")


def test_a_fast_failure_is_not_speed() -> None:
    balancer, _ = balancer_and_clock()
    sound, broken = members = of_one_weight(2)
    balancer.learn(sound, SECOND // 10, "answered")
    balancer.learn(broken, 1000, "failed")
    assert all(chosen(balancer, members) is sound for _ in range(20))


def test_what_is_known_of_an_endpoint_dies_with_it() -> None:
    balancer, _ = balancer_and_clock()
    members = [Endpoint("http://a"), Endpoint("http://b")]
    for member in members:
        balancer.learn(member, 100, "answered")
    assert len(balancer._averages) == 2
    del members[0], member
    gc.collect()
    assert len(balancer._averages) == 1


def test_the_only_endpoint_is_taken() -> None:
    balancer, _ = balancer_and_clock()
    members = of_one_weight(1)
    assert chosen(balancer, members) is members[0]


# In the laboratory.


def peak_ewma(clock: Clock, random: Random) -> LoadBalancer:
    return PeakEwmaLoadBalancer(clock, random)


def test_with_slow_servers_it_stays_flat_and_the_slow_get_less() -> None:
    experiment, service = in_the_laboratory(peak_ewma, [1.0] * 8 + [4.0] * 2, 0.6 * 8.5, 8000)
    outcomes = sorted(experiment.outcomes)
    earlier, later = (sum(each.duration for each in half) / 4000 for half in (outcomes[:4000], outcomes[4000:]))
    assert later == pytest.approx(earlier, rel=0.15)
    assert later < 2.6
    requests = [endpoint.requests for endpoint in service.endpoints]
    assert max(requests[8:]) < min(requests[:8]) / 3


def test_a_server_that_refuses_at_once_swallows_little() -> None:
    faults = {0: [Fault("refuse", start=100, end=400)]}
    experiment, service = in_the_laboratory(peak_ewma, [0.1] * 5, 20, 10_000, faults=faults)
    statuses = Counter(outcome.status for outcome in experiment.outcomes if 100 <= outcome.sent < 400)
    assert 0 < statuses[502] < 0.03 * statuses.total(), "a fifth would be its share"
    after = Counter(outcome.endpoint for outcome in experiment.outcomes if outcome.sent > 460)
    assert after[service.endpoints[0].url] > 0.1 * after.total(), "it is back in use"
