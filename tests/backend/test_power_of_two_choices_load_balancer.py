"""Power of two choices: what the second look is worth, by theory and in the laboratory."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer, draw_two
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.core.clock import Clock
from tests.support.load_balancers import chosen, endpoints, fullest_bin, of_one_weight


def two_choices(clock: Clock, random: Random) -> LoadBalancer:
    return PowerOfTwoChoicesLoadBalancer(random)


def one_choice(clock: Clock, random: Random) -> LoadBalancer:
    return RandomLoadBalancer(random)


def test_the_two_that_are_drawn_differ_and_every_pair_is_as_likely() -> None:
    members, random, draws = of_one_weight(4), Random(1), 12_000
    pairs = Counter(draw_two(members, random) for _ in range(draws))
    assert len(pairs) == 4 * 3
    assert all(one is not other for one, other in pairs)
    assert all(count == pytest.approx(draws / 12, rel=0.15) for count in pairs.values())


def test_the_only_endpoint_is_taken_without_a_draw() -> None:
    random = Random(1)
    before = random.getstate()
    members = of_one_weight(1)
    assert chosen(PowerOfTwoChoicesLoadBalancer(random), members) is members[0]
    assert random.getstate() == before


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=2, max_size=8), st.integers())
def test_it_never_takes_the_busiest_for_its_weight(loads: list[tuple[int, int]], seed: int) -> None:
    members = endpoints(*[weight for _, weight in loads])
    for member, (in_flight, _) in zip(members, loads, strict=True):
        member.in_flight = in_flight
    highest = max(in_flight / weight for in_flight, weight in loads)
    if sum(in_flight / weight == highest for in_flight, weight in loads) == 1:
        balancer = PowerOfTwoChoicesLoadBalancer(Random(seed))
        choices = [chosen(balancer, members) for _ in range(20)]
        assert all(choice.in_flight / choice.weight < highest for choice in choices)


def test_between_equals_neither_place_in_the_list_is_better() -> None:
    balancer, members = PowerOfTwoChoicesLoadBalancer(Random(3)), of_one_weight(3)
    taken = Counter(chosen(balancer, members) for _ in range(9000))
    assert all(count == pytest.approx(3000, rel=0.08) for count in taken.values())


def test_balls_in_bins_the_unluckiest_of_a_hundred_thousand_has_three_or_four() -> None:
    assert fullest_bin(PowerOfTwoChoicesLoadBalancer(Random(1)), 100_000) in (3, 4)
