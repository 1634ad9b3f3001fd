"""Each exercise: broken as shipped and for the right reason, right as solved, and described as a reader needs it."""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest

from api_gateway import RequestContext
from exercises.catalogue import HERE, Exercise, catalogue
from exercises.trial import try_out

EXERCISES = catalogue()
FOLDERS = {exercise.number: exercise for exercise in EXERCISES}
ROOT = HERE.parent

each = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.folder.name)


@cache
def sources_of_the_package() -> list[str]:
    return [file.read_text(encoding="utf-8") for file in (ROOT / "src" / "api_gateway").rglob("*.py")]


def words(file: Path) -> str:
    return " ".join(file.read_text(encoding="utf-8").split())


@each
def test_what_is_shipped_fails_for_the_right_reason(exercise: Exercise) -> None:
    verdicts = try_out(exercise, exercise.shipped)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    assert failed
    for verdict in failed:
        # The test itself says what is wrong; the file under test does not merely crash.
        assert isinstance(verdict.error, AssertionError), verdict
        assert len(verdict.message.split()) >= 8, f"this teaches nothing: {verdict.message!r}"
        assert "an assertion failed" not in verdict.message
    # What works already is tested, too: who breaks that while mending the rest is told.
    assert len(failed) < len(verdicts)


@each
def test_the_solution_passes(exercise: Exercise) -> None:
    verdicts = try_out(exercise, exercise.solution)
    assert len(verdicts) >= 4
    assert [verdict.message for verdict in verdicts if not verdict.passed] == []


@each
def test_the_readers_file_is_as_shipped_or_solved(exercise: Exercise) -> None:
    if exercise.is_begun:
        unsolved = [verdict.test for verdict in try_out(exercise, exercise.mine) if not verdict.passed]
        if unsolved and not os.environ.get("CI"):
            pytest.skip(f"begun, and not solved yet: python -m exercises {exercise.number}")
        assert not unsolved, f"copy exercises/{exercise.folder.name}/broken.py to shipped.txt"


def test_numbers_have_no_gaps_and_names_say_them() -> None:
    assert [exercise.number for exercise in EXERCISES] == list(range(1, len(EXERCISES) + 1))
    assert [exercise.folder.name[:3] for exercise in EXERCISES] == [f"{exercise.number:02}_" for exercise in EXERCISES]
    assert 16 <= len(EXERCISES) <= 20


@each
def test_a_readme_has_all_its_parts_on_half_a_screen(exercise: Exercise) -> None:
    # Title, effort, hint and question are found by the catalogue, which fails without one of them.
    text = (exercise.folder / "README.md").read_text(encoding="utf-8")
    assert text.index("**What a user saw.**") < text.index("**Your part.**") < text.index("<details>")
    assert text.index("</details>") < text.index("**The real thing:**") < text.index("**The interview question:**")
    assert exercise.question.endswith("?")
    assert 5 <= exercise.minutes <= 60
    assert len(text.splitlines()) <= 30
    assert len(text.split()) <= 260


@each
def test_the_real_thing_is_there(exercise: Exercise) -> None:
    text = (exercise.folder / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text[text.index("**The real thing:**") :])
    assert links
    for name, address in links:
        file = (exercise.folder / address).resolve()
        assert file.is_file(), address
        assert file == ROOT / "src" / "api_gateway" / name


@each
def test_names_of_the_package_are_names_of_the_package(exercise: Exercise) -> None:
    text = (exercise.folder / "README.md").read_text(encoding="utf-8")
    sources = [exercise.shipped.read_text(encoding="utf-8"), *sources_of_the_package()]
    for name in re.findall(r"`context\.(\w+)`", text):
        assert name in RequestContext.__slots__
    for name, attribute in re.findall(r"`([A-Z]\w+)\.(\w+)`", text):
        homes = [code for code in sources if f"class {name}" in code]
        assert any(attribute in code for code in homes), f"{name}.{attribute}"
    for name in re.findall(r"`([A-Z]+_[A-Z_]+|[A-Z][a-z]+[A-Z]\w+)`", text):
        known = any(f"class {name}" in code or f"\n{name}" in code for code in sources)
        assert known or name == "PathPrefix", name  # Traefik's


@each
def test_the_reader_is_to_edit_what_the_story_names(exercise: Exercise) -> None:
    part = exercise.story[exercise.story.index("Your part.") :]
    named = re.findall(r"`([A-Za-z_.]+)`", part)
    tree = ast.parse(exercise.shipped.read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert set(named[0].split(".")) <= defined, f"{named[0]} is not in broken.py"


@each
def test_the_broken_file_is_short_and_the_solution_has_its_price(exercise: Exercise) -> None:
    assert len(exercise.shipped.read_text(encoding="utf-8").splitlines()) <= 80
    said = ast.get_docstring(ast.parse(exercise.solution.read_text(encoding="utf-8"))) or ""
    assert re.match(r"The fix: .+\n\nWhy: (?s:.+)\n\nWhat it costs: ", said)


@each
def test_a_solution_has_the_same_names_as_what_it_replaces(exercise: Exercise) -> None:
    broken, solution = (
        {
            (node.name, ast.unparse(node.args) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else "")
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
        }
        for file in (exercise.shipped, exercise.solution)
    )
    assert broken <= solution


@each
def test_no_test_is_skipped_or_waits_for_real_time(exercise: Exercise) -> None:
    tree = ast.parse(exercise.test.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported.isdisjoint({"pytest", "time", "unittest", "unittest.mock"})
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert all(not test.args.args and not test.decorator_list for test in tests)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert "asyncio.run" not in calls


def test_the_overview_lists_them_all_as_they_are() -> None:
    rows = re.findall(r"^\| (\d+) \| \[(.+?)\]\((.+?)/\) \| (★+) \| (\d+) \| (.+) \|$", words_by_line(), re.MULTILINE)
    assert rows == [
        (str(one.number), one.title, one.folder.name, "★" * one.stars, str(one.minutes), one.question)
        for one in EXERCISES
    ]


def test_the_three_paths_take_as_long_as_they_say() -> None:
    text = words(HERE / "README.md")
    hour, day = (numbers_behind(f"**{name}:**", text) for name in ("An hour", "A day"))
    assert len(hour) == 4
    assert sum(FOLDERS[number].minutes for number in hour) <= 60
    assert day[:4] == hour
    assert 240 <= sum(FOLDERS[number].minutes for number in day) <= 330
    week = [
        [int(number) for number in numbers.split(",")]
        for numbers in re.findall(r"^\| \w+day +\| .+? \| ([\d, ]+?) *\|$", words_by_line(), re.MULTILINE)
    ]
    assert sorted(number for numbers in week for number in numbers) == sorted(FOLDERS)
    assert all(sum(FOLDERS[number].minutes for number in numbers) <= 140 for numbers in week)


def words_by_line() -> str:
    return (HERE / "README.md").read_text(encoding="utf-8")


def numbers_behind(heading: str, text: str) -> list[int]:
    match = re.search(re.escape(heading) + r"((?: \d+,)* \d+)\.", text)
    assert match is not None, heading
    return [int(number) for number in match[1].split(",")]
