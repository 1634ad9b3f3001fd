"""What balancers tell an X-ray, and that telling makes nobody's turn come sooner."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer, by_header
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.least_connections_load_balancer import LeastConnectionsLoadBalancer
from api_gateway.backend.load_balancer import ExplainableLoadBalancer, LoadBalancer
from api_gateway.backend.peak_ewma_load_balancer import PeakEwmaLoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer
from api_gateway.build_load_balancers import BALANCERS
from api_gateway.config.load_balancer_schema import LoadBalancerConfig
from api_gateway.core.clock import ManualClock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from tests.support.load_balancers import CONTEXT, REQUEST, chosen, endpoints

NOTHING_TO_TELL = {"random"}
"""Balancers without a state."""


def made(name: str, clock: ManualClock | None = None) -> LoadBalancer:
    return BALANCERS[name](LoadBalancerConfig.model_validate({name: {}}), clock or ManualClock(), Random(7))


@pytest.mark.parametrize("name", BALANCERS)
def test_every_balancer_can_say_by_what_it_picks(name: str) -> None:
    assert isinstance(made(name), ExplainableLoadBalancer) == (name not in NOTHING_TO_TELL)


@pytest.mark.parametrize("balancer", [RoundRobinLoadBalancer, WeightedRoundRobinLoadBalancer])
@given(weights=st.lists(st.integers(1, 5), min_size=1, max_size=5), turns=st.integers(1, 30))
def test_who_is_told_to_be_next_is(
    balancer: Callable[[], RoundRobinLoadBalancer | WeightedRoundRobinLoadBalancer], weights: list[int], turns: int
) -> None:
    subject, members = balancer(), endpoints(*weights)
    for _ in range(turns):
        told = subject.state_for(members, REQUEST, CONTEXT)["next"]
        assert told == chosen(subject, members).url


@settings(max_examples=100)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=60))
def test_least_connections_tells_who_is_next_whoever_came_or_left(steps: list[tuple[bool, int]]) -> None:
    subject, everybody = LeastConnectionsLoadBalancer(), endpoints(1, 2, 1, 3)
    members, busy = everybody, list[Endpoint]()
    for asks, number in steps:
        if asks:
            told = subject.state_for(members, REQUEST, CONTEXT)["next"]
            endpoint = chosen(subject, members)
            assert told == endpoint.url
            if number:
                endpoint.acquire()
                busy.append(endpoint)
        elif number < 4 and busy:
            busy.pop(number % len(busy)).release()
        else:
            members = tuple(each for place, each in enumerate(everybody) if place != 5 * number % 7)


def test_weighted_turns_tell_the_credits() -> None:
    subject, members = WeightedRoundRobinLoadBalancer(), endpoints(5, 1, 1)
    chosen(subject, members)
    assert subject.state_for(members, REQUEST, CONTEXT) == {
        "next": "http://e0",
        "credits": {"http://e0": -2, "http://e1": 1, "http://e2": 1},
    }


def test_credits_for_other_members_are_told_as_they_will_begin() -> None:
    subject, members = WeightedRoundRobinLoadBalancer(), endpoints(5, 1, 1)
    chosen(subject, members)
    assert subject.state_for(members[1:], REQUEST, CONTEXT)["credits"] == {"http://e1": 1, "http://e2": 1}
    assert subject.state_for(members, REQUEST, CONTEXT)["credits"] == {"http://e0": -2, "http://e1": 1, "http://e2": 1}


def test_the_load_is_what_is_in_flight_for_each_unit_of_weight() -> None:
    members = endpoints(1, 3)
    for member in members:
        member.acquire()
    load = {"load": {"http://e0": 1.0, "http://e1": 0.333}}
    assert PowerOfTwoChoicesLoadBalancer(Random(1)).state_for(members, REQUEST, CONTEXT) == load
    assert LeastConnectionsLoadBalancer().state_for(members, REQUEST, CONTEXT) == {"next": "http://e1", **load}


def test_peak_ewma_tells_the_average_and_what_one_more_request_would_take() -> None:
    subject, members = PeakEwmaLoadBalancer(ManualClock(), Random(1)), endpoints(1, 1)
    subject.learn(members[0], 20_000_000, "answered")
    members[0].acquire()
    assert subject.state_for(members, REQUEST, CONTEXT) == {
        "average": {"http://e0": "20 ms", "http://e1": "no answer yet"},
        "load": {"http://e0": "40 ms", "http://e1": "no answer yet"},
    }


def test_consistent_hash_tells_the_owner_and_who_stands_in_when_that_is_full() -> None:
    subject, members = ConsistentHashLoadBalancer(), endpoints(1, 1, 1)
    owner = chosen(subject, members)
    told = subject.state_for(members, REQUEST, CONTEXT)
    assert told == {
        "key": "by client address",
        "owner": owner.url,
        "next": owner.url,
        "limit": dict.fromkeys(("http://e0", "http://e1", "http://e2"), 1),
    }
    owner.acquire()
    told = subject.state_for(members, REQUEST, CONTEXT)
    assert told["owner"] == owner.url
    assert told["next"] == chosen(subject, members).url != owner.url


def test_the_hashed_header_is_named_and_its_value_is_not() -> None:
    subject = ConsistentHashLoadBalancer(by_header("x-api-key"))
    told = subject.state_for(endpoints(1, 1), Request("GET", "/", {"x-api-key": "secret-7"}), CONTEXT)
    assert told["key"] == "by header x-api-key"
    assert "secret-7" not in repr(told)


_STEPS = st.lists(
    st.tuples(st.sampled_from(("choose", "finish", "leave", "wait", "answer")), st.integers(0, 3), st.integers(0, 4)),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("name", sorted(set(BALANCERS) - NOTHING_TO_TELL))
@settings(max_examples=30)
@given(steps=_STEPS)
def test_asking_changes_no_choice(name: str, steps: list[tuple[str, int, int]]) -> None:
    def choices(*, asked: bool) -> list[str]:
        clock = ManualClock()
        subject, everybody = made(name, clock), endpoints(1, 2, 3, 1)
        members, busy, found = everybody, list[Endpoint](), list[str]()
        for step, times, number in steps:
            for _ in range(times if asked else 0):
                assert isinstance(subject, ExplainableLoadBalancer)
                subject.state_for(members, REQUEST, CONTEXT)
                subject.state_for(everybody, REQUEST, CONTEXT)
            if step == "choose":
                endpoint = subject.select(members, REQUEST, RequestContext(0, f"192.0.2.{number}"))
                endpoint.acquire()
                busy.append(endpoint)
                found.append(endpoint.url)
            elif step == "finish" and busy:
                busy.pop(0).release()
            elif step == "leave":
                members = tuple(each for place, each in enumerate(everybody) if place != number)
            elif step == "wait":
                clock.advance(number)
            elif isinstance(subject, PeakEwmaLoadBalancer):
                subject.learn(everybody[number % 4], (number + 1) * 10_000_000, "answered")
        return found

    assert choices(asked=True) == choices(asked=False)
