"""Round robin: the bound that the docstring promises."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

REQUEST = Request("GET", "/")
CONTEXT = RequestContext()


def endpoints(count: int) -> list[Endpoint]:
    return [Endpoint(f"http://e{i}") for i in range(count)]


def test_endpoints_are_taken_in_the_order_in_which_they_are_listed() -> None:
    balancer: LoadBalancer = RoundRobinLoadBalancer()
    three = endpoints(3)
    assert [balancer.select(three, REQUEST, CONTEXT) for _ in range(7)] == [three[i] for i in (0, 1, 2, 0, 1, 2, 0)]


@settings(max_examples=100)
@given(st.integers(1, 20), st.integers(0, 50), st.integers(0, 100))
def test_over_any_run_of_requests_two_counts_differ_by_at_most_1(count: int, before: int, run: int) -> None:
    balancer = RoundRobinLoadBalancer()
    members = endpoints(count)
    for _ in range(before):
        balancer.select(members, REQUEST, CONTEXT)
    taken = Counter(balancer.select(members, REQUEST, CONTEXT).url for _ in range(run))
    counts = [taken[member.url] for member in members]
    assert sum(counts) == run
    assert max(counts) - min(counts) <= 1


@settings(max_examples=100)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=30))
def test_members_may_come_and_go_between_requests(sizes: list[int]) -> None:
    balancer = RoundRobinLoadBalancer()
    for size in sizes:
        members = endpoints(size)
        assert balancer.select(members, REQUEST, CONTEXT) in members


def test_two_services_do_not_share_a_turn() -> None:
    one, two = RoundRobinLoadBalancer(), RoundRobinLoadBalancer()
    members = endpoints(2)
    assert [one.select(members, REQUEST, CONTEXT), two.select(members, REQUEST, CONTEXT)] == [members[0], members[0]]
