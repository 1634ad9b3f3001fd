"""Report: what one benchmark found, as a table for people and as JSON for programs.

Rule: a bar is a number, a limit and a direction, so that met or missed follows from the numbers
printed beside it. What could not be measured is a note, never a silent gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


class NotMeasuredError(Exception):
    """A benchmark cannot be run, and why."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure that has to reach, or stay under, a limit."""

    name: str
    value: float
    limit: float
    at_least: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of the limit; exactly on it counts."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        direction = "at least" if self.at_least else "at most"
        return (
            f"{'met   ' if self.met else 'MISSED'} {self.name}: {_number(self.value)}{self.unit}"
            f" ({direction} {_number(self.limit)}{self.unit})"
        )

    def as_json(self) -> dict[str, object]:
        """The bar for a file."""
        return {
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "direction": "at_least" if self.at_least else "at_most",
            "unit": self.unit.strip(),
            "met": self.met,
        }


@dataclass(slots=True)
class Report:
    """The outcome of one benchmark."""

    title: str
    table: str = ""
    figures: dict[str, object] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [self.title, "", self.table] if self.table else [self.title]
        lines += ["", *(str(bar) for bar in self.bars)] if self.bars else []
        lines += ["", *(f"note: {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """The report for a file."""
        return {**self.figures, "bars": [bar.as_json() for bar in self.bars], "notes": self.notes}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under their heads: the first to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  " + "  ".join([first, *others]).rstrip()

    return "\n".join(line(cells) for cells in (heads, *rows))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
