"""The example's README against the example: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "checkout"
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_its_reading_order_has_every_module_once() -> None:
    named = re.findall(r"`(\w+\.py)`", TEXT.partition("## Reading order")[2].partition("The tests are")[0])
    assert sorted(named) == sorted(path.name for path in FOLDER.glob("*.py") if path.name != "__init__.py")


def test_the_tests_that_it_names_exist() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "examples").glob("*.py"))
    named = re.findall(r"`(test_\w+)`", TEXT)
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []
