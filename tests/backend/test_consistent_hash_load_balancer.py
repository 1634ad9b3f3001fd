"""Consistent hash: who moves, who does not, how even it is, and that nobody is overrun."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.consistent_hash_load_balancer import (
    POINTS,
    ConsistentHashLoadBalancer,
    by_client_address,
    by_header,
    by_path,
)
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from tests.support.load_balancers import CONTEXT, endpoints, of_one_weight

KEYS = [f"/key/{number}" for number in range(4000)]


def by_key(balancer: ConsistentHashLoadBalancer, members: Sequence[Endpoint], key: str) -> Endpoint:
    return balancer.select(members, Request.from_parts("GET", key, "", Request("GET", "/").headers, b""), CONTEXT)


def owners(members: Sequence[Endpoint]) -> dict[str, str]:
    """Whose each key is, with nothing in flight."""
    balancer = ConsistentHashLoadBalancer(by_path)
    return {key: by_key(balancer, members, key).url for key in KEYS}


# The ring.


@pytest.mark.parametrize("gone", [0, 7, 19])
def test_when_one_leaves_only_its_keys_move(gone: int) -> None:
    members = of_one_weight(20)
    before, after = owners(members), owners(members[:gone] + members[gone + 1 :])
    moved = [key for key in KEYS if before[key] != after[key]]
    assert {before[key] for key in moved} == {members[gone].url}, "needless moves: none"
    assert len(moved) / len(KEYS) == pytest.approx(1 / 20, rel=0.4)
    assert len({after[key] for key in moved}) > 10, "its neighbours share what it had"


def test_when_one_comes_keys_move_to_it_and_nowhere_else() -> None:
    members = of_one_weight(20)
    before, after = owners(members[:19]), owners(members)
    assert {after[key] for key in KEYS if before[key] != after[key]} == {members[19].url}


def test_one_balancer_that_lives_through_changes_agrees_with_a_new_one() -> None:
    members = of_one_weight(8)
    balancer = ConsistentHashLoadBalancer(by_path)
    for present in (members, members[2:], members[:3], tuple(reversed(members))):
        expected = owners(present)
        assert all(by_key(balancer, present, key).url == expected[key] for key in KEYS[:300])


def test_the_shares_differ_by_about_one_over_the_square_root_of_the_points() -> None:
    places, whose = _ring(of_one_weight(40))
    arcs: Counter[str] = Counter()
    for before, place, owner in zip([places[-1] - 2**64, *places], places, whose, strict=False):
        arcs[owner.url] += place - before
    assert sum(arcs.values()) == 2**64
    shares = [arc / 2**64 * 40 for arc in arcs.values()]
    assert statistics.pstdev(shares) == pytest.approx(1 / math.sqrt(POINTS), rel=0.35)


def _ring(members: Sequence[Endpoint]) -> tuple[list[int], list[Endpoint]]:
    balancer = ConsistentHashLoadBalancer(by_path)
    by_key(balancer, members, "/")
    return balancer._places, balancer._owners


def test_weights_are_shares_of_the_ring() -> None:
    counts = Counter(owners(endpoints(3, 1)).values())
    assert counts["http://e0"] / len(KEYS) == pytest.approx(0.75, abs=0.06)


def test_the_order_of_the_list_makes_no_difference() -> None:
    members = of_one_weight(9)
    assert owners(members) == owners(members[::-1])


def test_another_process_with_another_hash_seed_agrees() -> None:
    script = (
        "from api_gateway.backend.consistent_hash_load_balancer import *\n"
        "from api_gateway.backend.endpoint import Endpoint\n"
        "from api_gateway.core.request import Request\n"
        "from api_gateway.core.request_context import RequestContext\n"
        "members = [Endpoint(f'http://e{n}') for n in range(20)]\n"
        "balancer = ConsistentHashLoadBalancer(by_path)\n"
        "for n in range(20):\n"
        "    print(balancer.select(members, Request('GET', f'/key/{n}'), RequestContext()).url)\n"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    here = owners(of_one_weight(20))
    assert printed[0].split() == printed[1].split() == [here[f"/key/{number}"] for number in range(20)]


# The bound.


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=8),
    st.lists(st.integers(0, 3), min_size=1, max_size=100),
    st.sampled_from([1.01, 1.25, 2.0]),
)
def test_no_choice_exceeds_the_bound_however_uneven_the_keys(
    weights: list[int], keys: list[int], factor: float
) -> None:
    balancer, members = ConsistentHashLoadBalancer(by_path, load_factor=factor), endpoints(*weights)
    for total, key in enumerate(keys, 1):
        choice = by_key(balancer, members, f"/{key}")
        choice.acquire()
        assert choice.in_flight <= math.ceil(factor * total / sum(weights) * choice.weight)
    assert sum(member.in_flight for member in members) == len(keys)


def test_a_key_that_everybody_asks_for_overruns_nobody() -> None:
    balancer, members = ConsistentHashLoadBalancer(by_path), of_one_weight(10)
    for _ in range(1000):
        by_key(balancer, members, "/hot").acquire()
    assert max(member.in_flight for member in members) == math.ceil(1.25 * 1000 / 10)


def test_with_room_everywhere_a_key_comes_back_to_its_endpoint() -> None:
    balancer, members, random = ConsistentHashLoadBalancer(by_path), of_one_weight(10), Random(1)
    expected = owners(members)
    for _ in range(500):
        key = random.choice(KEYS)
        choice = by_key(balancer, members, key)
        assert choice.url == expected[key]
        choice.acquire()
        choice.release()


def test_when_members_change_the_bound_is_of_those_that_are_there() -> None:
    balancer, members = ConsistentHashLoadBalancer(by_path), of_one_weight(3)
    for number in range(30):
        by_key(balancer, members, KEYS[number]).acquire()
    rest = members[1:]
    by_key(balancer, rest, "/x")
    assert balancer._in_flight == sum(member.in_flight for member in rest)
    assert members[0]._watchers == ()
    members[0].release()
    rest[0].release()
    assert balancer._in_flight == sum(member.in_flight for member in rest)


@pytest.mark.parametrize("factor", [1.0, 0.5, -1, math.nan])
def test_a_factor_that_leaves_no_room_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="above 1"):
        ConsistentHashLoadBalancer(load_factor=factor)


# The keys.


def test_the_key_is_the_address_the_path_or_a_header() -> None:
    request = Request("GET", "/a?b=1", {"X-Tenant": "gold"})
    context = RequestContext(peer_address="10.0.0.1")
    assert by_client_address(request, context) == "10.0.0.1"
    assert by_path(request, context) == "/a"
    assert by_header("x-tenant")(request, context) == "gold"


def test_requests_without_the_header_do_not_all_meet() -> None:
    key = by_header("X-Tenant")
    assert key(Request("GET", "/"), RequestContext(peer_address="10.0.0.7")) == "10.0.0.7"


@given(st.text())
def test_any_text_is_a_key(key: str) -> None:
    balancer, members = ConsistentHashLoadBalancer(lambda _request, _context: key), of_one_weight(3)
    request = Request("GET", "/")
    assert balancer.select(members, request, CONTEXT) is balancer.select(members, request, CONTEXT)
