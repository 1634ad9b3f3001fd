from functools import cache

import pytest

from api_gateway.plotting.failures.cascade import Shop, cascade, erlang_b
from api_gateway.plotting.failures.laboratory import Trial

SHOP = Shop(slow=(4.0, 14.0), seconds=18.0)


@cache
def unprotected() -> Trial:
    return cascade(SHOP)


def test_one_slow_service_takes_every_place_of_the_gateway() -> None:
    trial = unprotected()
    assert trial.good("catalogue", 0, 4) == 1
    assert trial.good("catalogue", *SHOP.slow) < 0.6
    assert trial.most("held") == SHOP.places
    assert trial.flags("catalogue").keys() == {"-", "OM"}


@pytest.mark.parametrize("protection", ["timeout", "bulkhead"])
def test_either_bound_keeps_the_healthy_one_healthy(protection: str) -> None:
    assert cascade(SHOP, [protection]).failed("catalogue") == 0


def test_a_breaker_counts_no_failure_of_who_never_gives_up() -> None:
    assert cascade(SHOP, ["breaker"]).flows == unprotected().flows


def test_the_breaker_asks_less_of_what_is_slow() -> None:
    with_breaker, without = (cascade(SHOP, layers) for layers in (["timeout", "breaker"], ["timeout"]))
    assert with_breaker.flags("reviews")["DT"] < without.flags("reviews")["DT"] / 5
    assert with_breaker.flags("reviews")["UO"] > 0


def test_as_many_are_refused_as_erlang_says() -> None:
    shop = Shop(slow=(0.0, 200.0), seconds=200.0, catalogue=30, reviews=10, places=30)
    load = shop.catalogue * shop.takes + shop.reviews * shop.takes * shop.factor
    refused = 1 - cascade(shop).good("catalogue", 20, 200)
    assert refused == pytest.approx(erlang_b(shop.places, load), rel=0.08)


def test_erlang_b_at_its_ends() -> None:
    assert erlang_b(1, 1) == 0.5
    assert erlang_b(10, 0.001) < 1e-30
    assert erlang_b(10, 1e6) == pytest.approx(1, abs=1e-4)
