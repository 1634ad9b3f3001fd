import math
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from api_gateway.build_load_balancers import BALANCERS
from api_gateway.plotting.load_balancing.laboratory import POLICIES, Server, any_of, one_hot_of, trial
from api_gateway.simulation import Fault

TWO = [Server(), Server(faults=[Fault("slow", 50, 100, factor=20)])]


def test_the_policies_are_those_of_the_configuration() -> None:
    assert set(POLICIES) == set(BALANCERS)


def test_two_runs_are_the_same_and_another_seed_differs() -> None:
    first = trial(POLICIES["random"], TWO, 1.0, 50)
    assert trial(POLICIES["random"], TWO, 1.0, 50) == first
    assert trial(POLICIES["random"], TWO, 1.0, 50, seed=2) != first


def test_two_policies_meet_the_same_traffic() -> None:
    sent = [[one.sent for one in trial(POLICIES[name], TWO, 1.0, 50).outcomes] for name in ("random", "peak_ewma")]
    assert sent[0] == sent[1]


def test_durations_and_shares_are_of_those_that_were_sent_in_time() -> None:
    found = trial(POLICIES["round_robin"], TWO, 1.0, 150)
    calm, ill = found.durations(0, 50), found.durations(50, 100)
    assert len(calm) + len(ill) + len(found.durations(100)) == len(found.outcomes) == sum(found.served)
    assert ill == sorted(ill)
    assert found.mean(50, 100) == pytest.approx(sum(ill) / len(ill))
    assert found.latency(0.5, 50, 100) == ill[math.ceil(len(ill) / 2) - 1]
    assert found.mean(50, 100) > 5 * found.mean(0, 50)
    assert found.share_to(1, 0, 150) == pytest.approx(0.5, abs=0.01)
    assert math.isnan(found.mean(200))
    assert math.isnan(found.latency(0.99, 200))


def test_loads_are_what_each_server_has_to_do_at_the_time() -> None:
    found = trial(POLICIES["round_robin"], TWO, 1.0, 150, every=0.5)
    assert found.load(0, 0) == 0
    assert found.load(1, 99) > 10 > found.load(0, 99)


def test_with_several_gateways_each_takes_its_own_turns() -> None:
    servers = [Server(0.001)] * 4
    alone = trial(POLICIES["round_robin"], servers, 10, 40)
    shared = trial(POLICIES["round_robin"], servers, 10, 40, gateways=5)
    assert max(alone.served) - min(alone.served) <= 1
    assert sum(shared.served) == sum(alone.served)
    in_order = [outcome.endpoint for outcome in shared.outcomes]
    assert any(one == other for one, other in pairwise(in_order))


def test_weights_arrive_at_the_balancer() -> None:
    found = trial(POLICIES["weighted_round_robin"], [Server(0.001, weight=3), Server(0.001)], 10, 40)
    assert found.served[0] == pytest.approx(3 * found.served[1], abs=4)


def test_the_hot_key_is_as_hot_as_was_asked() -> None:
    random, keys = Random(1), one_hot_of(10, share=0.3)
    counts = Counter(keys(random) for _ in range(10_000))
    assert counts[0] == pytest.approx(3000, rel=0.05)
    assert set(counts) == set(range(10)) == {any_of(10)(random) for _ in range(1000)}
