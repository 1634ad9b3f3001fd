"""Random: fair on average, unfair at the worst, the same with the same seed."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from random import Random

from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from tests.support.load_balancers import chosen, fullest_bin, of_one_weight


def test_each_endpoint_has_the_same_probability() -> None:
    balancer, members, draws = RandomLoadBalancer(Random(1)), of_one_weight(5), 20_000
    taken = Counter(chosen(balancer, members) for _ in range(draws))
    deviation = math.sqrt(draws * 0.2 * 0.8)
    assert set(taken) == set(members)
    assert all(abs(count - draws / 5) < 4 * deviation for count in taken.values())


def test_a_choice_says_nothing_about_the_next() -> None:
    balancer, members, draws = RandomLoadBalancer(Random(2)), of_one_weight(2), 10_000
    choices = [chosen(balancer, members) for _ in range(draws)]
    repeated = sum(one is other for one, other in pairwise(choices))
    assert abs(repeated - draws / 2) < 4 * math.sqrt(draws / 4)


def test_the_same_seed_gives_the_same_choices_also_in_years() -> None:
    members = of_one_weight(10)
    balancer = RandomLoadBalancer(Random(42))
    assert [members.index(chosen(balancer, members)) for _ in range(10)] == [6, 0, 2, 2, 7, 6, 8, 0, 4, 0]


def test_balls_in_bins_the_unluckiest_of_a_hundred_thousand_has_eight_or_nine() -> None:
    assert fullest_bin(RandomLoadBalancer(Random(1)), 100_000) in range(7, 11)
