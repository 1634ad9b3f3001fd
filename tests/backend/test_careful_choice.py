"""Careful choice: elsewhere the second time, whatever the balancer, and little for whoever is cold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from api_gateway.backend.careful_choice import CarefulChoice
from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.healthy_endpoints import HealthyEndpoints
from api_gateway.backend.least_connections_load_balancer import LeastConnectionsLoadBalancer
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.peak_ewma_load_balancer import PeakEwmaLoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.slow_start import SlowStart
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.request_context import RequestContext
from tests.support.load_balancers import REQUEST, endpoints, of_one_weight

SECOND = NANOSECONDS

BALANCERS: dict[str, Callable[[Random], LoadBalancer]] = {
    "round_robin": lambda _: RoundRobinLoadBalancer(),
    "weighted_round_robin": lambda _: WeightedRoundRobinLoadBalancer(),
    "random": RandomLoadBalancer,
    "least_connections": lambda _: LeastConnectionsLoadBalancer(),
    "power_of_two_choices": PowerOfTwoChoicesLoadBalancer,
    "peak_ewma": lambda random: PeakEwmaLoadBalancer(ManualClock(), random),
    "consistent_hash": lambda _: ConsistentHashLoadBalancer(),
}


def balancer(name: str) -> LoadBalancer:
    return BALANCERS[name](Random(1))


def tried(*urls: str) -> RequestContext:
    context = RequestContext()
    context.attempts, context.tried, context.endpoint = len(urls), urls, urls[-1] if urls else ""
    return context


def chosen(careful: CarefulChoice, context: RequestContext, now: int = 0) -> Endpoint:
    endpoint = careful.choose(REQUEST, context, now)
    assert endpoint is not None
    return endpoint


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_attempt_goes_where_the_request_has_not_been_while_there_is_such_a_place(name: str, count: int) -> None:
    members = of_one_weight(count)
    careful = CarefulChoice(HealthyEndpoints("s", members), balancer(name))
    for _ in range(30):
        been: list[str] = []
        for _ in range(count):
            been.append(chosen(careful, tried(*been)).url)
        assert sorted(been) == [member.url for member in members]
        again = chosen(careful, tried(*been)).url
        assert again != been[-1], "and then at least not where it was last"


@pytest.mark.parametrize("name", BALANCERS)
def test_the_last_endpoint_is_avoided_also_where_nobody_wrote_down_the_earlier_ones(name: str) -> None:
    careful = CarefulChoice(HealthyEndpoints("s", endpoints(1000, 1)), balancer(name))
    context = tried("http://e0")
    context.tried = ()
    assert {chosen(careful, context).url for _ in range(20)} == {"http://e1"}


@pytest.mark.parametrize("name", BALANCERS)
def test_the_only_endpoint_is_asked_again_and_again(name: str) -> None:
    careful = CarefulChoice(HealthyEndpoints("s", of_one_weight(1)), balancer(name))
    assert chosen(careful, tried("http://e0", "http://e0")).url == "http://e0"


def test_an_unhealthy_endpoint_is_no_place_to_try_again() -> None:
    pool = HealthyEndpoints("s", of_one_weight(2))
    careful = CarefulChoice(pool, RoundRobinLoadBalancer())
    pool.take_out(pool.members[1], "check", "dead")
    assert {chosen(careful, tried("http://e0")).url for _ in range(5)} == {"http://e0"}
    pool.take_out(pool.members[0], "check", "dead")
    assert chosen(careful, tried("http://e0")).url == "http://e1", "in panic it is"


def test_without_anybody_there_is_no_choice() -> None:
    pool = HealthyEndpoints("s", of_one_weight(1), panic_threshold=0)
    pool.take_out(pool.members[0], "check", "dead")
    assert CarefulChoice(pool, RoundRobinLoadBalancer()).choose(REQUEST, RequestContext(), 0) is None


def test_what_a_balancer_that_insists_does_not_get_is_shared_by_the_others() -> None:
    members = of_one_weight(5)
    careful = CarefulChoice(HealthyEndpoints("s", members), ConsistentHashLoadBalancer())
    home = chosen(careful, RequestContext()).url
    counts = Counter(chosen(careful, tried(home)).url for _ in range(400))
    assert home not in counts
    assert set(counts.values()) == {100}


def warming_up(name: str, count: int = 5) -> tuple[CarefulChoice, Endpoint]:
    pool = HealthyEndpoints("s", of_one_weight(count), slow_start=SlowStart(10.0), random=Random(2))
    pool.take_out(pool.members[0], "check", "dead")
    pool.bring_back(pool.members[0], "check", 0)
    return CarefulChoice(pool, balancer(name)), pool.members[0]


@pytest.mark.parametrize("name", [name for name in BALANCERS if name != "consistent_hash"])
@pytest.mark.parametrize(("second", "share"), [(0, 0.1), (5, 0.5), (9.999, 1.0)])
def test_a_warming_endpoint_gets_its_part_of_a_fair_share(name: str, second: float, share: float) -> None:
    """Nothing in flight anywhere, so even balancers by load have no preference."""
    careful, cold = warming_up(name)
    count = sum(chosen(careful, RequestContext(), round(second * SECOND)) is cold for _ in range(8000))
    # Of requests that find it cold the others get the rest: f / (n - 1 + f). A pair is drawn only with others.
    assert count / 8000 == pytest.approx(share / (4 + share), abs=0.02)


def test_an_idle_endpoint_that_warms_up_is_held_to_its_part_though_the_balancer_offers_it_every_time() -> None:
    careful, cold = warming_up("least_connections")
    for endpoint in careful.pool.members[1:]:
        for _ in range(9):
            endpoint.acquire()
    taken = Counter(chosen(careful, RequestContext()) for _ in range(4000))
    assert taken[cold] / 4000 == pytest.approx(0.1, abs=0.02)
    assert all(taken[endpoint] == pytest.approx(900, rel=0.1) for endpoint in careful.pool.members[1:])


def test_keys_of_a_warming_endpoint_are_served_by_others_in_the_meantime() -> None:
    careful, cold = warming_up("consistent_hash", count=2)
    keys = [f"10.0.0.{number}" for number in range(200)]
    at_home = [key for key in keys if chosen(careful, RequestContext(0, key), 10 * SECOND) is cold]
    assert 50 < len(at_home) < 150
    careful, cold = warming_up("consistent_hash", count=2)
    early = [key for key in keys if chosen(careful, RequestContext(0, key)) is cold]
    assert set(early) < set(at_home)
    assert len(early) < len(at_home) / 4


def test_when_everybody_is_cold_everybody_gets_the_same() -> None:
    pool = HealthyEndpoints("s", (), slow_start=SlowStart(10.0), random=Random(3))
    pool.change_members(of_one_weight(4), 0)
    careful = CarefulChoice(pool, RoundRobinLoadBalancer())
    counts = Counter(chosen(careful, RequestContext()).url for _ in range(4000))
    assert all(count == pytest.approx(1000, rel=0.1) for count in counts.values())
