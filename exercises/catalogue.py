"""Catalogue: which exercises there are. Each is a folder `NN_name`, and its README says what there is to know.

    NN_name/README.md        the story, the hint, where the real thing is, the question behind it
    NN_name/broken.py        the reader's file: edited in place
    NN_name/shipped.txt      the same as it was shipped
    NN_name/test_it.py       what must pass
    NN_name/solution.py      one way to do it, and what it costs

What it does not do: run anything (`trial.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

_TITLE = re.compile(r"^# (?P<number>\d+)\. (?P<title>.+)$", re.MULTILINE)
_EFFORT = re.compile(r"^(?P<stars>★{1,3})☆{0,2} · (?P<minutes>\d+) minutes · (?P<topic>.+)$", re.MULTILINE)
_HINT = re.compile(r"<details>\s*<summary>Hint</summary>\s*(?P<hint>.+?)\s*</details>", re.DOTALL)
_QUESTION = re.compile(r"^\*\*The interview question:\*\* (?P<question>.+?)\s*\Z", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\([^)]+\)")


@dataclass(frozen=True, slots=True)
class Exercise:
    """One folder, and what its README says."""

    folder: Path
    number: int
    title: str
    stars: int
    minutes: int
    topic: str
    story: str
    """All that comes before the hint."""
    hint: str
    question: str

    @property
    def mine(self) -> Path:
        """The file that the reader edits."""
        return self.folder / "broken.py"

    @property
    def shipped(self) -> Path:
        """How that file was at first."""
        return self.folder / "shipped.txt"

    @property
    def solution(self) -> Path:
        """One way to do it."""
        return self.folder / "solution.py"

    @property
    def test(self) -> Path:
        """What must pass."""
        return self.folder / "test_it.py"

    @property
    def is_begun(self) -> bool:
        """Whether the reader's file is not as it was shipped any more."""
        return self.mine.read_bytes() != self.shipped.read_bytes()

    def reset(self) -> None:
        """Put the reader's file back as it was shipped."""
        self.mine.write_bytes(self.shipped.read_bytes())


def catalogue(folder: Path = HERE) -> list[Exercise]:
    """Every exercise, by number."""
    return [read_exercise(path) for path in sorted(folder.glob("[0-9][0-9]_*")) if path.is_dir()]


def read_exercise(folder: Path) -> Exercise:
    """The exercise in a folder.

    Raises:
        ValueError: its README lacks a part.
    """
    text = (folder / "README.md").read_text(encoding="utf-8")
    title, effort, hint = _part(_TITLE, text, folder), _part(_EFFORT, text, folder), _part(_HINT, text, folder)
    question = _part(_QUESTION, text, folder)
    return Exercise(
        folder=folder,
        number=int(title["number"]),
        title=title["title"],
        stars=len(effort["stars"]),
        minutes=int(effort["minutes"]),
        topic=effort["topic"],
        story=plain(text[effort.end() : hint.start()]),
        hint=plain(hint["hint"]),
        question=" ".join(plain(question["question"]).split()),
    )


def plain(markdown: str) -> str:
    """Text for a terminal: links and emphasis become words."""
    return _LINK.sub(lambda match: match["text"], markdown).replace("**", "").strip()


def _part(pattern: re.Pattern[str], text: str, folder: Path) -> re.Match[str]:
    match = pattern.search(text)
    if match is None:
        raise ValueError(f"{folder.name}/README.md has nothing like {pattern.pattern!r}")
    return match
