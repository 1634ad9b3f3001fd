"""Problems: what is wrong with a configuration, where, and what to do about it.

Rule: a check *finds*, a loader *places*. A `Finding` names a node by its path through the document,
`("routes", 0, "service")`; only whoever read the document knows the line and column of that node.
So one set of checks serves files (`gateway.yaml:9:7: ...`) and dictionaries (`routes[0].service: ...`).

A finding keeps its cause and its remedy apart: the cause may quote the value, the remedy never
does. Where a value came out of the environment, and may be a secret, only the remedy is shown.

What it does not do: check anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from api_gateway.core.errors import ConfigurationError

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a node; empty for the document itself."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake and its place. `line` and `column` count from 1."""

    file: str
    """As the user named it; empty when the configuration did not come from a file."""
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" if self.file else self.message


class ConfigurationProblems(ConfigurationError):
    """Everything that is wrong with one configuration; as text, one line a problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


class Refusal(ConfigurationError):
    """A check says no to one value, and does not know where it stands."""

    def __init__(self, cause: str, remedy: str, *, at_key: bool = False, field: str = "") -> None:
        """`cause` may quote the value; `remedy` must not. `field` is the one at fault, if the whole was looked at."""
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy
        self.at_key = at_key
        self.field = field


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a node of the document."""

    path: Path
    cause: str
    remedy: str
    at_key: bool = False
    """Whether the key is wrong, rather than its value."""
    other: Path | None = None
    """The other node of a contradiction."""


def key_path(path: Path) -> str:
    """A path as a person writes it: `routes[0].service`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the configuration"


def unplaced(findings: Sequence[Finding]) -> ConfigurationProblems:
    """The error for a configuration that has no lines: each message begins with the key path."""
    problems = []
    for finding in findings:
        other = f" ({key_path(finding.other)})" if finding.other is not None else ""
        problems.append(Problem("", 0, 0, f"{key_path(finding.path)}: {finding.cause}{other}; {finding.remedy}"))
    return ConfigurationProblems(problems)


def did_you_mean(name: str, known: Collection[str], kind: str) -> str:
    """A remedy for a misspelt name: the nearest of `known`, or all of them."""
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{kind}: {', '.join(sorted(known)) or 'none'}"


def shown(value: object) -> str:
    """A value as the user wrote it, or what kind of thing it is, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 200 else value[:200] + "...")
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list | tuple) else repr(value)
