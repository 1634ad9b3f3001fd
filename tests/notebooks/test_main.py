from pathlib import Path

import pytest

from notebooks.runner.__main__ import main
from tests.support.notebooks import SOURCE, written


def test_what_is_written_is_then_found_to_be_as_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "01_small.py").write_text(SOURCE)
    assert main(["--write"], tmp_path) == 0
    assert main([], tmp_path) == 0
    assert capsys.readouterr().out == "01_small: all right\n" * 2
    assert '"42"' in (tmp_path / "01_small.ipynb").read_text()


def test_another_output_fails_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, said={1: [("text/plain", "41")]})
    assert main(["--static"], tmp_path) == 0
    assert main([], tmp_path) == 1
    assert "01_small: code cell 1 (number = 41 + 1): said" in capsys.readouterr().out


def test_a_notebook_that_fails_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = written(tmp_path)
    before = pair.stored.read_text()
    pair.source.write_text(SOURCE.replace("41 + 1", "6 * 9"))
    assert main(["--write"], tmp_path) == 1
    assert "01_small: code cell 2 (assert number == 42): AssertionError" in capsys.readouterr().out
    assert pair.stored.read_text() == before


def test_a_missing_half_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = written(tmp_path)
    pair.source.unlink()
    assert main([], tmp_path) == 1
    assert main(["--write"], tmp_path) == 1
    assert capsys.readouterr().out.count("01_small: 01_small.py is missing") == 2
    pair.source.write_text(SOURCE)
    pair.stored.unlink()
    assert main(["--static"], tmp_path) == 1
    assert "01_small: 01_small.ipynb is missing" in capsys.readouterr().out


def test_a_half_that_is_no_notebook_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path).stored.write_text("garbage")
    assert main([], tmp_path) == 1
    assert "01_small: 01_small.ipynb is not a notebook" in capsys.readouterr().out


def test_halves_that_differ_are_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path).source.write_text(SOURCE.replace("assert number == 42", "open('was_run', 'w').close()"))
    assert main([], tmp_path) == 1
    assert "01_small: cell 3: its code is not the same" in capsys.readouterr().out
    assert not (tmp_path / "was_run").exists()


def test_only_what_is_named_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path)
    (tmp_path / "02_broken.py").touch()
    assert main(["--static", "01_small"], tmp_path) == 0
    assert main(["--static"], tmp_path) == 1
    assert main(["03_absent"], tmp_path) == 1
    assert "error: no notebook 03_absent in" in capsys.readouterr().err


def test_a_folder_without_notebooks_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 1
    assert "error: no notebook at all in" in capsys.readouterr().err
