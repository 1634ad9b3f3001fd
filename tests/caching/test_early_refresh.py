"""Early refresh: against the distribution that the paper gives."""

from __future__ import annotations

from math import exp
from random import Random

import pytest

from api_gateway.caching.early_refresh import refreshes_early


class _NoRandom(Random):
    def random(self) -> float:
        raise AssertionError("nothing is drawn")


def test_nothing_is_drawn_far_from_the_end() -> None:
    assert not refreshes_early(60, 0.1, 1, _NoRandom())


def test_nobody_refreshes_what_took_no_time() -> None:
    assert not refreshes_early(0.001, 0, 1, Random(1))


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("remaining", [0.1, 1.0, 3.0])
def test_the_chance_is_exponential_in_the_time_left(beta: float, remaining: float) -> None:
    random, draws = Random(7), 20_000
    hits = sum(refreshes_early(remaining, 1.0, beta, random) for _ in range(draws))
    assert hits / draws == pytest.approx(exp(-remaining / beta), abs=0.015)
