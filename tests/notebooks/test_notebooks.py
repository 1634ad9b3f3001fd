"""The notebooks themselves: their rules. `make notebooks` runs each again and compares it with what is stored."""

import pytest

from notebooks.runner.__main__ import FOLDER, check
from notebooks.runner.pair import Pair, pairs_in

PAIRS = pairs_in(FOLDER)


def test_there_are_notebooks() -> None:
    assert [pair.name for pair in PAIRS][:2] == ["00_tour", "01_rate_limiters"]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_notebook_keeps_the_rules(pair: Pair) -> None:
    assert [str(problem) for problem in check(pair)] == []
