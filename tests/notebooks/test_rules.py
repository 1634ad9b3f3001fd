from pathlib import Path

import pytest

from notebooks.runner.rules import MOST_LINES, broken_rules
from tests.support.notebooks import HEAD, Output, written

PICTURE: list[Output] = [("image/png", "aGVsbG8=")]


def causes(folder: Path, source: str, said: dict[int, list[Output]] | None = None) -> list[str]:
    pair = written(folder, HEAD + source, said or {0: []})
    return [str(problem) for problem in broken_rules("n", pair.read_stored())]


def test_a_small_notebook_breaks_no_rule(tmp_path: Path) -> None:
    assert list(broken_rules("n", written(tmp_path).read_stored())) == []


def test_a_cell_of_code_has_at_most_ten_lines(tmp_path: Path) -> None:
    lines = [f"a{number} = {number}" for number in range(MOST_LINES + 1)]
    assert causes(tmp_path, "# %%\n" + "\n".join(lines[:-1])) == []
    assert causes(tmp_path, "# %%\n" + "\n".join(lines)) == ["n: code cell 1 (a0 = 0): 11 lines, more than 10"]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("class Limiter: ...", "defines a class, which belongs into the package"),
        ("def make():\n    class Limiter: ...", "defines a class, which belongs into the package"),
        ("plt.plot([1])", "uses matplotlib itself, which belongs into api_gateway.plotting"),
        ("import matplotlib.pyplot as figures", "uses matplotlib itself, which belongs into api_gateway.plotting"),
        ("from matplotlib import cm", "uses matplotlib itself, which belongs into api_gateway.plotting"),
        ("1 +", "not Python: invalid syntax"),
    ],
)
def test_code_that_belongs_elsewhere_is_named(tmp_path: Path, code: str, cause: str) -> None:
    first = code.splitlines()[0]
    assert causes(tmp_path, f"# %%\n{code}\n") == [f"n: code cell 1 ({first}): {cause}"]


def test_a_picture_is_followed_by_an_assert(tmp_path: Path) -> None:
    asserted = "# %%\nfigure\n\n# %% [markdown]\n# Look.\n\n# %%\nassert True\n"
    assert causes(tmp_path, asserted, {1: PICTURE}) == []
    assert causes(tmp_path, "# %%\nfigure\n\n# %%\nother\n", {1: PICTURE}) == [
        "n: code cell 1 (figure): the next cell does not assert what the picture says"
    ]
    assert causes(tmp_path, asserted, {2: PICTURE}) == [
        "n: code cell 2 (assert True): no cell follows that asserts what the picture says"
    ]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (("stderr", "careful\n"), "a warning is stored: careful"),
        (("error", "ValueError"), "an error is stored: ValueError: "),
    ],
)
def test_neither_warnings_nor_errors_are_stored(tmp_path: Path, said: Output, cause: str) -> None:
    assert causes(tmp_path, "# %%\nx\n", {1: [said]}) == [f"n: code cell 1 (x): {cause}"]


def test_a_notebook_is_run_once_from_top_to_bottom(tmp_path: Path) -> None:
    notebook = written(tmp_path).read_stored()
    notebook.cells[-1].execution_count = 7
    notebook.cells[1].execution_count = None
    assert [problem.cause for problem in broken_rules("n", notebook)] == [
        "was not run in its turn: its count is None",
        "was not run in its turn: its count is 7",
    ]
