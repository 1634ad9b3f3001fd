"""Least connections: exact at every choice, whatever came and went; flat where turns collapse."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.least_connections_load_balancer import LeastConnectionsLoadBalancer
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.core.clock import Clock
from api_gateway.simulation import Experiment, Outcome
from tests.support.load_balancers import MakeLoadBalancer, chosen, endpoints, in_the_laboratory, of_one_weight


def load(endpoint: Endpoint) -> float:
    return endpoint.in_flight / endpoint.weight


@settings(max_examples=120)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=8),
    st.lists(st.one_of(st.just("send"), st.integers(0, 7), st.frozensets(st.integers(0, 7), min_size=1)), max_size=80),
)
def test_nobody_has_less_to_do_than_the_chosen_one_whatever_comes_and_goes(
    weights: list[int], steps: list[str | int | frozenset[int]]
) -> None:
    balancer, pool = LeastConnectionsLoadBalancer(), endpoints(*weights)
    members = pool
    for step in steps:
        if isinstance(step, frozenset):
            members = tuple(pool[number] for number in sorted(step) if number < len(pool)) or pool
        elif isinstance(step, int):
            ending = pool[step % len(pool)]
            if ending.in_flight:
                ending.release()
        else:
            least = min(load(member) for member in members)
            choice = chosen(balancer, members)
            assert choice in members
            assert load(choice) == least
            choice.acquire()


def test_one_request_at_a_time_goes_round() -> None:
    balancer, members = LeastConnectionsLoadBalancer(), endpoints(1, 5, 1)
    taken: Counter[Endpoint] = Counter()
    for _ in range(30):
        choice = chosen(balancer, members)
        choice.acquire()
        choice.release()
        taken[choice] += 1
    assert set(taken.values()) == {10}


def test_equals_still_take_turns_after_a_busy_time() -> None:
    balancer, members = LeastConnectionsLoadBalancer(), of_one_weight(3)
    for _ in range(12):
        chosen(balancer, members).acquire()
    for _ in range(2):
        members[0].release()
    for _ in range(2):
        chosen(balancer, members).acquire()
    taken: Counter[Endpoint] = Counter()
    for _ in range(30):
        choice = chosen(balancer, members)
        choice.acquire()
        choice.release()
        taken[choice] += 1
    assert [member.in_flight for member in members] == [4, 4, 4]
    assert set(taken.values()) == {10}


def test_under_load_the_shares_are_those_of_the_weights() -> None:
    balancer, members = LeastConnectionsLoadBalancer(), endpoints(5, 1, 2)
    for _ in range(80):
        chosen(balancer, members).acquire()
    assert [member.in_flight for member in members] == [50, 10, 20]


def test_the_heap_stays_small_however_many_requests_end() -> None:
    balancer, members, random = LeastConnectionsLoadBalancer(), of_one_weight(10), Random(1)
    largest = 0
    for _ in range(5000):
        if random.random() < 0.5:
            chosen(balancer, members).acquire()
        else:
            busy = [member for member in members if member.in_flight]
            if busy:
                random.choice(busy).release()
        largest = max(largest, len(balancer._heap))
    assert largest <= 2 * 10 + 16


def test_of_who_vanishes_nothing_is_kept_and_nothing_is_heard() -> None:
    balancer, members = LeastConnectionsLoadBalancer(), of_one_weight(3)
    chosen(balancer, members).acquire()
    rest = members[1:]
    chosen(balancer, rest)
    assert set(balancer._entered) == set(rest)
    assert members[0]._watchers == ()
    assert [len(member._watchers) for member in rest] == [1, 1]
    members[0].release()


def test_who_comes_back_is_entered_with_what_it_has_in_flight_now() -> None:
    balancer, members = LeastConnectionsLoadBalancer(), of_one_weight(2)
    members[0].in_flight = 3
    assert chosen(balancer, members) is members[1]
    assert chosen(balancer, members[:1]) is members[0]
    members[0].in_flight, members[1].in_flight = 0, 1
    again = tuple(members)
    assert chosen(balancer, again[::-1]) is members[0]


# In the laboratory: ten servers, of which two are four times slower, at 0.6 of what all can do together.

SERVICE_TIMES = [1.0] * 8 + [4.0] * 2
RATE = 0.6 * (8 + 2 / 4)


def halves(make: MakeLoadBalancer) -> tuple[float, float]:
    experiment, _ = in_the_laboratory(make, SERVICE_TIMES, RATE, 5000)
    outcomes = sorted(experiment.outcomes)
    return mean(outcomes[:2500]), mean(outcomes[2500:])


def mean(outcomes: list[Outcome]) -> float:
    return sum(outcome.duration for outcome in outcomes) / len(outcomes)


def round_robin(clock: Clock, random: Random) -> LoadBalancer:
    return RoundRobinLoadBalancer()


def one_choice(clock: Clock, random: Random) -> LoadBalancer:
    return RandomLoadBalancer(random)


def two_choices(clock: Clock, random: Random) -> LoadBalancer:
    return PowerOfTwoChoicesLoadBalancer(random)


def least_connections(clock: Clock, random: Random) -> LoadBalancer:
    return LeastConnectionsLoadBalancer()


@pytest.mark.parametrize("make", [round_robin, one_choice])
def test_with_slow_servers_equal_shares_never_settle(make: MakeLoadBalancer) -> None:
    # A fifth of the requests goes to servers that can do 0.5 of the 1.02 a second they get.
    earlier, later = halves(make)
    assert earlier > 20
    assert later > 2 * earlier


@pytest.mark.parametrize(("make", "expected"), [(two_choices, 2.6), (least_connections, 1.5)])
def test_with_slow_servers_whoever_looks_at_the_load_stays_flat(make: MakeLoadBalancer, expected: float) -> None:
    earlier, later = halves(make)
    assert later == pytest.approx(earlier, rel=0.15)
    assert later == pytest.approx(expected, rel=0.3)


def test_of_servers_of_one_speed_it_makes_nearly_one_with_a_single_queue() -> None:
    experiment: Experiment
    experiment, service = in_the_laboratory(least_connections, [1.0] * 8, 0.8 * 8, 8000)
    assert 1.286 < experiment.mean() < 1.286 * 1.25, "1.286 is Erlang's M/M/8 at 0.8: nothing does better"
    assert all(endpoint.in_flight == 0 for endpoint in service.endpoints)
