"""Exact shares, and no bursts."""

from __future__ import annotations

from collections import Counter
from random import Random

from broken import WeightedTurns

from api_gateway import Endpoint, Request, RequestContext

REQUEST = Request("GET", "/")


def endpoints(*weights: int) -> list[Endpoint]:
    return [Endpoint(f"http://{chr(97 + place)}", weight) for place, weight in enumerate(weights)]


def turns(members: list[Endpoint], count: int) -> list[Endpoint]:
    balancer = WeightedTurns()
    return [balancer.select(members, REQUEST, RequestContext()) for _ in range(count)]


def test_each_gets_exactly_its_share() -> None:
    for weights in ((1,), (5, 1, 1), (3, 2), (7, 7, 2), (1, 1, 1, 1)):
        members = endpoints(*weights)
        counts = Counter(turns(members, 10 * sum(weights)))
        shares = tuple(counts[endpoint] / 10 for endpoint in members)
        assert shares == weights, f"weights {weights}: ten rounds gave {shares} a round"


def test_the_big_one_gets_no_burst() -> None:
    chosen = "".join(endpoint.url[-1] for endpoint in turns(endpoints(5, 1, 1), 14))
    assert "aaaaa" not in chosen, (
        f"weights 5, 1, 1 gave {chosen}: five at once, for a machine that works at a steady pace"
    )


def test_large_weights_are_as_smooth_as_small_ones() -> None:
    chosen = "".join(endpoint.url[-1] for endpoint in turns(endpoints(500, 100, 100), 700))
    longest = max(len(piece) for piece in chosen.replace("b", "c").split("c"))
    assert longest <= 4, f"weights 500, 100, 100 are 5, 1, 1; the big one got {longest} in a row"


def test_nobody_is_ever_a_whole_turn_ahead_of_its_share() -> None:
    random = Random(15)
    for _ in range(60):
        members = endpoints(*(random.randrange(1, 20) for _ in range(random.randrange(1, 7))))
        total, counts = sum(endpoint.weight for endpoint in members), Counter[Endpoint]()
        for turn, endpoint in enumerate(turns(members, 2 * total), start=1):
            counts[endpoint] += 1
            ahead = counts[endpoint] - turn * endpoint.weight / total
            weights = [member.weight for member in members]
            assert ahead < 1, (
                f"weights {weights}: after {turn} turns one of weight {endpoint.weight} is {ahead:.2f} ahead"
            )


def test_endpoints_may_come_and_go() -> None:
    random, balancer, everybody = Random(15), WeightedTurns(), endpoints(5, 1, 3, 2)
    for _ in range(500):
        members = random.sample(everybody, random.randrange(1, 5))
        for _ in range(random.randrange(5)):
            chosen = balancer.select(members, REQUEST, RequestContext())
            assert chosen in members, f"{chosen.url} was chosen, and is not there any more"
    counts = Counter(balancer.select(everybody, REQUEST, RequestContext()) for _ in range(1_100))
    for endpoint in everybody:
        off = abs(counts[endpoint] - 100 * endpoint.weight)
        assert off <= 30, f"after all that change one of weight {endpoint.weight} got {counts[endpoint]} of 1100 turns"
