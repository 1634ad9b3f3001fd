"""Pictures of notebooks as files."""

from pathlib import Path

import pytest

from notebooks.runner.__main__ import main
from notebooks.runner.pair import Pair
from notebooks.runner.pictures import other_pictures, write_pictures
from tests.support.notebooks import HEAD, Output, written

SOURCE = f'{HEAD}\n# %% tags=["picture:one"]\nfigure\n\n# %%\nassert True\n'
PICTURE: list[Output] = [("image/png", "aGVsbG8=")]
SHOWN = b"hello"


def made(folder: Path, said: list[Output] = PICTURE) -> tuple[Pair, Path]:
    return written(folder, SOURCE, {1: said}), folder / "pictures" / "one.png"


def problems(pair: Pair) -> list[str]:
    return [str(problem) for problem in other_pictures("n", pair.read_stored(), pair.pictures)]


def test_a_picture_is_stored_as_it_is_shown(tmp_path: Path) -> None:
    pair, file = made(tmp_path)
    write_pictures(pair.read_stored(), pair.pictures)
    assert file.read_bytes() == SHOWN
    assert problems(pair) == []


@pytest.mark.parametrize("there", [None, b"another one"], ids=["missing", "another"])
def test_a_file_that_is_not_the_picture_is_a_problem(tmp_path: Path, there: bytes | None) -> None:
    pair, file = made(tmp_path)
    if there is not None:
        file.parent.mkdir()
        file.write_bytes(there)
    assert problems(pair) == ["n: code cell 1 (figure): pictures/one.png is not what this cell shows"]
    assert main(["--static"], tmp_path) == 1


def test_a_tag_without_a_picture_is_a_problem(tmp_path: Path) -> None:
    pair, file = made(tmp_path, [("text/plain", "no picture")])
    write_pictures(pair.read_stored(), pair.pictures)
    assert not file.exists()
    assert problems(pair) == ["n: code cell 1 (figure): shows nothing that could be one.png"]


def test_other_cells_store_nothing(tmp_path: Path) -> None:
    pair = written(tmp_path, SOURCE.replace("picture:one", "varies"), {1: PICTURE})
    write_pictures(pair.read_stored(), pair.pictures)
    assert problems(pair) == []
    assert not pair.pictures.exists()
