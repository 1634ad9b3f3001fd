import random

import pytest

from api_gateway.plotting.fleet.distant_store import Network
from api_gateway.plotting.fleet.fleet import (
    Answer,
    Way,
    a_share_each,
    answers,
    leased,
    shared,
    spread,
    synchronised,
    whole_limit_each,
)
from api_gateway.plotting.rate_limiters.traffic import poisson
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.simulation import run

LIMIT = Limit("l", "gcra", 10, 1.0, 8)
NETWORK = Network(delay=0.001)
AT_ONCE = [(number % 4, 10**9) for number in range(80)]


@pytest.mark.parametrize(
    ("way", "admitted"),
    [(whole_limit_each, 32), (a_share_each, 8), (shared(NETWORK), 8), (leased(NETWORK, 2), 8), (synchronised, 32)],
)
def test_how_many_of_a_crowd_get_in(way: Way, admitted: int) -> None:
    given = run(answers, way, LIMIT, 4, AT_ONCE)
    assert len(given) == 80
    assert sum(answer.allowed for answer in given) == admitted


def test_gossip_is_heard_after_its_time() -> None:
    early, late = [(0, number) for number in range(8)], [(1, 160_000_000 + number) for number in range(8)]
    for every, admitted in ((0.05, 8 + 1), (0.5, 16)):
        given = run(answers, synchronised, LIMIT, 2, early + late, every)
        assert sum(answer.allowed for answer in given) == admitted  # 110 ms are worth one


def test_an_answer_says_who_gave_it_and_what_it_took() -> None:
    (answer,) = run(answers, shared(NETWORK), LIMIT, 2, [(1, 5 * 10**9)])
    assert answer == Answer(gateway=1, asked=5 * 10**9, answered=5_002_000_000, allowed=True)
    assert answer.waited == 2_000_000


def test_every_run_is_the_same() -> None:
    requests = spread(poisson(30, 3, random.Random(1)), (3, 1))
    assert run(answers, leased(NETWORK, 3), LIMIT, 2, requests) == run(answers, leased(NETWORK, 3), LIMIT, 2, requests)


def test_a_load_balancer_keeps_to_its_weights_and_the_order_of_time() -> None:
    requests = spread(list(range(4000)), (7, 1, 1, 1))
    assert [now for _, now in requests] == list(range(4000))
    counts = [sum(gateway == chosen for chosen, _ in requests) for gateway in range(4)]
    assert counts == [pytest.approx(share, rel=0.15) for share in (2800, 400, 400, 400)]
