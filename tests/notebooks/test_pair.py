from pathlib import Path

import nbformat
import pytest

from notebooks.runner.pair import Pair, code_cells, out_of_step, pairs_in
from tests.support.notebooks import SOURCE, written


def test_a_notebook_is_two_files_of_one_name(tmp_path: Path) -> None:
    for name in ("01_one.py", "01_one.ipynb", "02_two.py", "03_three.ipynb", "helper.py", "runner.ipynb"):
        (tmp_path / name).touch()
    assert [pair.name for pair in pairs_in(tmp_path)] == ["01_one", "02_two", "03_three"]


def test_cells_are_named_by_number_and_first_line(tmp_path: Path) -> None:
    notebook = written(tmp_path).read_source()
    assert [place for place, _ in code_cells(notebook)] == [
        "code cell 1 (number = 41 + 1)",
        "code cell 2 (assert number == 42)",
    ]


def test_what_is_stored_is_the_same_whoever_stores_it(tmp_path: Path) -> None:
    pair = written(tmp_path)
    first = pair.stored.read_text()
    notebook = nbformat.read(pair.stored, as_version=4)  # type: ignore[no-untyped-call]  # has no types
    notebook.metadata["language_info"]["version"] = "3.99"
    for cell in notebook.cells:
        cell.id = "made-by-chance"
        cell.metadata["execution"] = {"iopub.execute_input": "2026-11-21"}
    pair.write(notebook)
    assert pair.stored.read_text() == first
    assert "3.99" not in first


def test_a_source_and_what_was_stored_of_it_are_in_step(tmp_path: Path) -> None:
    pair = written(tmp_path)
    assert out_of_step(pair.name, pair.read_source(), pair.read_stored()) is None


@pytest.mark.parametrize(
    ("edited", "problem"),
    [
        (SOURCE.replace("41", "40 "), "01_small: cell 2: its code is not the same in the .py and the .ipynb"),
        (SOURCE.replace("answer", "reply"), "01_small: cell 1: its text is not the same in the .py and the .ipynb"),
        (SOURCE.replace("# %%\nassert", '# %% tags=["varies"]\nassert'),
         "01_small: cell 3: its code is not the same in the .py and the .ipynb"),
        (SOURCE + "\n# %%\n1\n", "01_small: 4 cells in the .py, 3 in the .ipynb"),
    ],
)  # fmt: skip
def test_an_edit_of_one_file_is_found(tmp_path: Path, edited: str, problem: str) -> None:
    pair = written(tmp_path)
    pair.source.write_text(edited)
    assert str(out_of_step(pair.name, pair.read_source(), pair.read_stored())) == problem


def test_a_pair_has_the_name_of_its_source() -> None:
    assert Pair(Path("a/07_b.py"), Path("a/07_b.ipynb")).name == "07_b"
