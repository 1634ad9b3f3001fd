"""The balancers against theory: the real ones, in the real gateway, before simulated servers of one worker each.

At high load a run settles slowly, so its beginning is left out, and a hundred servers stand in for many seeds: with
`random` and `round_robin` each is a queue of its own. Tolerances say how far these samples are from the expectation.
Fewer requests than a study would take keep each test to a few seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from statistics import fmean

import pytest

from api_gateway import build_gateway
from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer, by_path
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.least_connections_load_balancer import LeastConnectionsLoadBalancer
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer
from api_gateway.core.clock import Clock
from api_gateway.core.request import Request
from api_gateway.plotting.load_balancing import theory
from api_gateway.simulation import Experiment, FakeService, VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport
from tests.support.load_balancers import MakeLoadBalancer, chosen, in_the_laboratory, of_one_weight


def one_choice(_clock: Clock, random: Random) -> LoadBalancer:
    return RandomLoadBalancer(random)


def turns(_clock: Clock, _random: Random) -> LoadBalancer:
    return RoundRobinLoadBalancer()


def two_choices(_clock: Clock, random: Random) -> LoadBalancer:
    return PowerOfTwoChoicesLoadBalancer(random)


def least(_clock: Clock, _random: Random) -> LoadBalancer:
    return LeastConnectionsLoadBalancer()


def settled(
    make: MakeLoadBalancer, servers: int, load: float, requests: int, warm: float, seed: int = 1
) -> list[float]:
    """Durations of the requests that were sent from second `warm` on, shortest first."""
    experiment, _ = in_the_laboratory(make, [1.0] * servers, load * servers, requests, seed=seed)
    return sorted(outcome.duration for outcome in experiment.outcomes if outcome.sent >= warm)


def p99(durations: Sequence[float]) -> float:
    return durations[math.ceil(0.99 * len(durations)) - 1]


# A hundred servers at nine tenths of what they can do: 10, 5.2, 2.6 and 1.02 service times.


def test_at_nine_tenths_one_choice_takes_ten_service_times() -> None:
    expected = theory.one_choice(0.9)
    assert expected.mean == pytest.approx(10)
    # Fewer servers for longer: an M/M/1 forgets that it began empty in 1 / (1 - sqrt(load))^2 = 380 service times.
    durations = settled(one_choice, 25, 0.9, 25_000, warm=400)
    assert fmean(durations) == pytest.approx(expected.mean, rel=0.2)
    assert p99(durations) == pytest.approx(expected.p99, rel=0.25)


def test_at_nine_tenths_turns_take_five() -> None:
    expected = theory.taking_turns(0.9, 100)
    assert expected.mean == pytest.approx(5.2, abs=0.05)
    durations = settled(turns, 100, 0.9, 28_000, warm=180)
    assert fmean(durations) == pytest.approx(expected.mean, rel=0.1)
    assert p99(durations) == pytest.approx(expected.p99, rel=0.15)


def test_at_nine_tenths_two_choices_take_less_than_three() -> None:
    expected = theory.least_of(2, 0.9)
    assert expected == pytest.approx((2.61, 8.79), abs=0.01)
    runs = [settled(two_choices, 100, 0.9, 9000, warm=40, seed=seed) for seed in (1, 2)]
    assert fmean(map(fmean, runs)) == pytest.approx(expected.mean, rel=0.05)
    assert fmean(map(p99, runs)) == pytest.approx(expected.p99, rel=0.07)


def test_at_nine_tenths_the_least_busy_of_all_comes_near_one_queue_for_all() -> None:
    bound = theory.single_queue(0.9, 100)
    assert bound == pytest.approx((1.022, 4.63), abs=0.005)
    durations = settled(least, 100, 0.9, 12_000, warm=40)
    assert 0.99 * bound.mean < fmean(durations) < 1.05 * bound.mean
    assert p99(durations) == pytest.approx(bound.p99, rel=0.08)


# Where theory is exact for any number of servers.


@pytest.mark.parametrize(("servers", "load", "expected"), [(2, 0.7, 2.60), (10, 0.7, 2.02), (10, 0.5, 1.325)])
def test_turns_make_a_queue_with_erlang_arrivals_of_every_server(servers: int, load: float, expected: float) -> None:
    exact = theory.taking_turns(load, servers)
    assert exact.mean == pytest.approx(expected, abs=0.005)
    means = [fmean(settled(turns, servers, load, 5000, warm=50, seed=seed)) for seed in (1, 2)]
    assert fmean(means) == pytest.approx(exact.mean, rel=0.07)


@pytest.mark.parametrize(("load", "expected"), [(0.5, 1.27), (0.7, 1.61)])
def test_two_choices_are_as_good_as_the_limit_says_at_any_load(load: float, expected: float) -> None:
    limit = theory.least_of(2, load)
    assert limit.mean == pytest.approx(expected, abs=0.01)
    means = [fmean(settled(two_choices, 100, load, 8000, warm=15, seed=seed)) for seed in (1, 2)]
    assert fmean(means) == pytest.approx(limit.mean, rel=0.04)


@pytest.mark.parametrize("draws", [1, 2])
def test_balls_in_bins_not_only_the_fullest_but_all_are_as_theory_says(draws: int) -> None:
    count, chance = 30_000, Random(3)
    balancer = RandomLoadBalancer(chance) if draws == 1 else PowerOfTwoChoicesLoadBalancer(chance)
    members = of_one_weight(count)
    for _ in range(count):
        chosen(balancer, members).acquire()
    for least_of_them, share in enumerate(theory.bins_of_at_least(5, draws)):
        found = sum(member.in_flight >= least_of_them for member in members)
        # Five standard deviations, were bins independent.
        assert found == pytest.approx(count * share, abs=5 * math.sqrt(count * share) + 1)


# Ten servers, two of them four times slower, at 0.6 of what all can do.

SERVICE_TIMES = [1.0] * 8 + [4.0] * 2
RATE = 0.6 * 8.5


def test_under_turns_a_slow_servers_backlog_grows_as_fast_as_arithmetic_says() -> None:
    experiment, service = in_the_laboratory(turns, SERVICE_TIMES, RATE, 8000)
    slow = {service.endpoints[8].url, service.endpoints[9].url}
    # Each gets a tenth of the traffic and does a quarter of a request a second; the wait is the backlog times 4 s.
    growth = RATE / 10 * 4 - 1
    late = [outcome for outcome in experiment.outcomes if outcome.endpoint in slow and outcome.sent > 1000]
    assert len(late) > 400
    assert fmean(outcome.duration / outcome.sent for outcome in late) == pytest.approx(growth, rel=0.15)
    others = [outcome.duration for outcome in experiment.outcomes if outcome.endpoint not in slow]
    assert fmean(others) < 2


def test_with_slow_servers_two_choices_settle_where_theory_says() -> None:
    mean, (_, busy) = theory.two_of_unlike([(0.8, 1.0), (0.2, 0.25)], RATE / 10)
    assert mean == pytest.approx(2.21, abs=0.01)
    found = [in_the_laboratory(two_choices, SERVICE_TIMES, RATE, 4000, seed=seed) for seed in (1, 2)]
    # The limit is of many servers, and these are ten.
    assert fmean(experiment.mean() for experiment, _ in found) == pytest.approx(mean, rel=0.08)
    # The slow ones get what they finish, and they are busy nearly always.
    expected = 0.2 * 0.25 * busy / (RATE / 10)
    shares = [
        sum(endpoint.requests for endpoint in service.endpoints[8:]) / len(experiment.outcomes)
        for experiment, service in found
    ]
    assert fmean(shares) == pytest.approx(expected, rel=0.06)
    assert max(shares) < 1.2 * expected


def test_with_slow_servers_the_least_busy_of_all_is_better_with_every_seed() -> None:
    means = [in_the_laboratory(least, SERVICE_TIMES, RATE, 4000, seed=seed)[0].mean() for seed in (1, 2)]
    assert fmean(means) == pytest.approx(1.4, rel=0.08)
    assert max(means) < 1.6


# Sequences and keys, through the gateway.


def endpoints_asked(members: Sequence[Endpoint], balancer: LoadBalancer, paths: Sequence[str]) -> list[str]:
    async def main() -> list[str]:
        clock = VirtualClock()
        handlers = {member.url: FakeService(0.001, random=Random(1)) for member in members}
        service = BackendService("s", members, InProcessTransport(handlers), balancer, clock=clock)
        config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
        experiment = Experiment(build_gateway(config, {"s": service}, clock=clock))
        async with experiment.gateway:
            return [(await experiment.send(Request("GET", path))).endpoint for path in paths]

    return run(main)


def test_weights_5_1_1_are_served_a_a_b_a_c_a_a() -> None:
    members = [Endpoint("http://a", 5), Endpoint("http://b"), Endpoint("http://c")]
    asked = endpoints_asked(members, WeightedRoundRobinLoadBalancer(), ["/"] * 14)
    assert "".join(url[-1] for url in asked) == "aabacaa" * 2


def test_when_one_of_twenty_leaves_its_keys_move_and_not_one_other() -> None:
    members, keys = of_one_weight(20), [f"/key/{number}" for number in range(2000)]
    before = endpoints_asked(members, ConsistentHashLoadBalancer(by_path), keys)
    after = endpoints_asked(members[:7] + members[8:], ConsistentHashLoadBalancer(by_path), keys)
    gone = members[7].url
    assert [one != other for one, other in zip(before, after, strict=True)] == [url == gone for url in before]
    assert before.count(gone) / len(keys) == pytest.approx(1 / 20, rel=0.3)
    counts = [after.count(member.url) for member in members if member.url != gone]
    assert max(counts) < 1.4 * len(keys) / 19
    assert min(counts) > 0.6 * len(keys) / 19
