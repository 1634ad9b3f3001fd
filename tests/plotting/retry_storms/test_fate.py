import math

import pytest

from api_gateway.plotting.retry_storms.fate import Fates, fate, fates, maps_of_fate
from api_gateway.plotting.retry_storms.laboratory import Setup


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize(("retries", "below", "above"), [(1, 0.3, 0.6), (2, 0.22, 0.42), (3, 0.17, 0.3)])
def test_the_boundary_is_theorys_whatever_the_seed(seed: int, retries: int, below: float, above: float) -> None:
    assert below * (1 + retries) < 1 < above * (1 + retries)
    assert fate(Setup(retries), below, seed=seed) is not None
    assert fate(Setup(retries), above, seed=seed) is None


def test_with_a_bounded_queue_nothing_is_stuck() -> None:
    assert fates([0.3, 0.9], [0, 2, 4], queue=10) == {retries: [0.0, 0.0] for retries in (0, 2, 4)}


def test_one_that_gets_better_too_slowly_is_neither_well_nor_stuck() -> None:
    assert fate(Setup(0), 0.9) == math.inf


def test_cells_say_what_they_are_and_the_share_of_the_stuck_is_told() -> None:
    some: Fates = {0: [1.0, math.inf], 1: [2.4, None]}
    none: Fates = {0: [0.0, 0.0], 1: [0.0, 0.0]}
    figure, stuck = maps_of_fate({"a": some, "b": none}, [0.3, 0.6], "Fates")
    assert stuck == {"a": 0.25, "b": 0}
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said[:4] == ["1 s", "> 20 s", "2 s", "stuck"]
