"""Smooth weighted round robin: nginx's sequence, exact shares, and nothing left of old weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer
from tests.support.load_balancers import chosen, endpoints

WEIGHTS = st.lists(st.integers(1, 12), min_size=1, max_size=8)
MEMBERS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=6, unique_by=lambda member: member[0]
)


@pytest.mark.parametrize(
    ("weights", "sequence"),
    [((5, 1, 1), "aabacaa"), ((1,), "aaa"), ((1, 1, 1), "abcabc"), ((2, 1), "abaaba"), ((4, 2, 1), "abaca" + "ba")],
)
def test_the_turns_are_spread_out(weights: tuple[int, ...], sequence: str) -> None:
    balancer, members = WeightedRoundRobinLoadBalancer(), endpoints(*weights)
    assert "".join("abc"[members.index(chosen(balancer, members))] for _ in sequence) == sequence


@settings(max_examples=100)
@given(WEIGHTS, st.integers(0, 60))
def test_any_round_in_a_row_gives_each_exactly_its_weight(weights: list[int], before: int) -> None:
    balancer, members = WeightedRoundRobinLoadBalancer(), endpoints(*weights)
    for _ in range(before):
        chosen(balancer, members)
    taken = Counter(chosen(balancer, members) for _ in range(sum(weights)))
    assert [taken[member] for member in members] == weights


class AsTheRuleReads:
    """Every credit grows in every turn, and the first of the highest wins."""

    def __init__(self) -> None:
        self.credits: dict[Endpoint, int] = {}
        self._members: Sequence[Endpoint] = ()

    def select(self, members: Sequence[Endpoint]) -> Endpoint:
        total = sum(member.weight for member in members)
        if members is not self._members:
            self._members = members
            kept = {member: self.credits.get(member, 0) for member in members}
            self.credits = {member: min(total, max(-total, credit)) for member, credit in kept.items()}
        for member in members:
            self.credits[member] += member.weight
        best = max(members, key=lambda member: self.credits[member])
        self.credits[best] -= total
        return best


@settings(max_examples=120)
@given(WEIGHTS, st.lists(st.tuples(st.integers(1, 8), st.integers(1, 30)), min_size=1, max_size=6))
def test_it_is_the_rule_as_it_reads_whoever_comes_and_goes(weights: list[int], phases: list[tuple[int, int]]) -> None:
    balancer, oracle, all_members = WeightedRoundRobinLoadBalancer(), AsTheRuleReads(), endpoints(*weights)
    for size, turns in phases:
        members = tuple(all_members[:size])
        for _ in range(turns):
            assert chosen(balancer, members) is oracle.select(members)
        assert balancer.credits == oracle.credits


@settings(max_examples=100)
@given(WEIGHTS)
def test_nobody_is_ever_a_whole_turn_ahead_of_its_share(weights: list[int]) -> None:
    balancer, members, total = WeightedRoundRobinLoadBalancer(), endpoints(*weights), sum(weights)
    taken: Counter[str] = Counter()
    for turn in range(1, 2 * total + 1):
        taken[chosen(balancer, members).url] += 1
        assert all(taken[member.url] * total < turn * member.weight + total for member in members)


def test_who_appears_gets_its_share_and_no_burst() -> None:
    balancer, members = WeightedRoundRobinLoadBalancer(), endpoints(1, 1, 1)
    for _ in range(1001):
        chosen(balancer, members[:2])
    taken = [chosen(balancer, members) for _ in range(30)]
    assert all(Counter(taken)[member] in (9, 10, 11) for member in members)
    assert all(len(set(taken[place : place + 2])) == 2 for place in range(29))


def test_of_who_vanishes_nothing_is_kept() -> None:
    balancer, members = WeightedRoundRobinLoadBalancer(), endpoints(9, 1, 1)
    rest = members[1:]
    chosen(balancer, members)
    for _ in range(4):
        chosen(balancer, rest)
    assert set(balancer.credits) == set(rest)


def test_a_debt_of_old_weights_shuts_nobody_out_under_new_ones() -> None:
    balancer, members = WeightedRoundRobinLoadBalancer(), endpoints(1000, 1000)
    assert chosen(balancer, members) is members[0]
    assert balancer.credits[members[0]] == -1000
    for member in members:
        member.weight = 1
    anew = list(members)
    taken = Counter(chosen(balancer, anew) for _ in range(20))
    assert abs(taken[members[0]] - taken[members[1]]) <= 4


@settings(max_examples=100)
@given(st.lists(MEMBERS, min_size=1, max_size=20))
def test_after_any_changes_the_shares_are_soon_those_of_the_weights(changes: list[list[tuple[int, int]]]) -> None:
    balancer, pool = WeightedRoundRobinLoadBalancer(), endpoints(*[1] * 6)
    members = pool
    for change in changes:
        for number, weight in change:
            pool[number].weight = weight
        members = tuple(pool[number] for number, _ in change)
        assert chosen(balancer, members) in members
    total = sum(member.weight for member in members)
    rounds = 10
    taken = Counter(chosen(balancer, members) for _ in range(rounds * total))
    assert all(abs(taken[member] - rounds * member.weight) <= len(members) + 1 for member in members)
