"""The command: the story, the verdict in plain words, and the way back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exercises.__main__ import main
from exercises.catalogue import HERE, catalogue, read_exercise

ROOT = HERE.parent


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """The first three exercises, as shipped, to be edited."""
    for name in ("01_segment_boundary", "02_bearer_token", "03_cache_key"):
        shutil.copytree(HERE / name, tmp_path / name)
        read_exercise(tmp_path / name).reset()
    return tmp_path


def solve(folder: Path) -> None:
    exercise = read_exercise(folder)
    exercise.mine.write_bytes(exercise.solution.read_bytes())


def test_a_broken_exercise_tells_its_story_and_what_is_wrong(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["3"], zoo) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("3. The cache that showed Alice to Bob")
    assert "Bob opened `/account`" in shown
    assert "FAILS   nobody gets what was kept for another\n          Bob asked for /account" in shown
    assert "passes  what was asked before is answered without the service" in shown
    assert "Not yet: 4 of 5 fail." in shown
    assert "Traceback" not in shown
    assert "Hint" not in shown


def test_a_solved_exercise_asks_the_question_behind_it(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solve(zoo / "03_cache_key")
    assert main(["03"], zoo) == 0
    shown = capsys.readouterr().out
    assert "All 5 pass. Now say it aloud: What is in your cache key" in shown
    assert "FAILS" not in shown


def test_an_edit_counts_at_once_however_quick_it_was(zoo: Path) -> None:
    # Bytecode is trusted by time and size of the source: two edits within a second must not be taken for one.
    broken = read_exercise(zoo / "01_segment_boundary").mine
    text = broken.read_text(encoding="utf-8")
    for _ in range(3):
        assert main(["1"], zoo) == 1
        solve(zoo / "01_segment_boundary")
        assert main(["1"], zoo) == 0
        broken.write_text(text, encoding="utf-8")
    assert not list(zoo.rglob("__pycache__"))


def test_the_solution_is_tried_and_the_readers_file_left_alone(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["1", "--solution"], zoo) == 0
    assert "solution.py:\n  passes" in capsys.readouterr().out
    assert not read_exercise(zoo / "01_segment_boundary").is_begun


def test_a_hint_is_all_that_is_shown_when_asked_for(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["1", "--hint"], zoo) == 0
    assert capsys.readouterr().out.startswith("A path is a list of segments")


def test_reset_puts_the_readers_file_back(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exercise = read_exercise(zoo / "02_bearer_token")
    exercise.mine.write_text("nothing of it left", encoding="utf-8")
    assert exercise.is_begun
    assert main(["2", "--reset"], zoo) == 0
    assert "broken.py is as it was at first." in capsys.readouterr().out
    assert not exercise.is_begun
    assert main(["2"], zoo) == 1


def test_the_list_says_what_is_begun_and_what_is_solved(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solve(zoo / "01_segment_boundary")
    mine = read_exercise(zoo / "02_bearer_token").mine
    mine.write_text(mine.read_text(encoding="utf-8") + "\n# thinking\n", encoding="utf-8")
    assert main([], zoo) == 0
    first, second, third = capsys.readouterr().out.splitlines()[:3]
    assert first.split() == ["1", "★☆☆", "10", "min", "The", "prefix", "that", "matched", "too", "much", "solved"]
    assert second.endswith("begun")
    assert third.endswith("Bob")


@pytest.mark.parametrize("number", ["0", "4", "-1", "three", "3.0", "", "٣"])
def test_an_unknown_number_is_an_error_of_one_line(number: str, zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--", number], zoo) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: there is no exercise {number!r}: they are numbered 1 to 3\n"


def test_an_option_without_a_number_is_an_error_of_one_line(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reset"], zoo) == 2
    assert capsys.readouterr().err.startswith("error: say which exercise: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def bearer_token(:\n", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("import no_such_module\n", "No module named 'no_such_module' (line 1 of broken.py)"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("\n\ndef something_else() -> None: ...\n", "cannot import name 'BearerAuth' from 'broken'"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_without_a_traceback(
    text: str, message: str, zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_exercise(zoo / "02_bearer_token").mine.write_text(text, encoding="utf-8")
    assert main(["2"], zoo) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "FAILS broken.py can be loaded" in shown
    assert message in shown
    assert "Traceback" not in shown


def test_a_crash_names_the_readers_line(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = read_exercise(zoo / "01_segment_boundary").mine
    text = mine.read_text(encoding="utf-8").replace(
        "        for prefix, service", "        1 / 0\n        for prefix, service"
    )
    mine.write_text(text, encoding="utf-8")
    assert main(["1"], zoo) == 1
    line = text.splitlines().index("        1 / 0") + 1
    assert f"ZeroDivisionError: division by zero (line {line} of broken.py)" in capsys.readouterr().out


def test_nothing_is_left_behind_among_the_modules(zoo: Path) -> None:
    before = dict(sys.modules)
    main(["1"], zoo)
    assert {"broken", "test_it"}.isdisjoint(set(sys.modules) - set(before))


def test_a_folder_without_a_part_is_refused_by_name(zoo: Path) -> None:
    readme = zoo / "02_bearer_token" / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("<summary>Hint</summary>", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"02_bearer_token/README\.md has nothing like"):
        catalogue(zoo)


def test_pytest_runs_a_test_file_against_the_file_beside_it(zoo: Path) -> None:
    shutil.copy(HERE / "conftest.py", zoo)
    solve(zoo / "03_cache_key")
    files = [str(zoo / name / "test_it.py") for name in ("01_segment_boundary", "03_cache_key")]
    configuration = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(zoo), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *configuration, *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert "3 failed, 6 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED 03" not in done.stdout
