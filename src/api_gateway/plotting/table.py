"""Table: numbers in rows, which a notebook shows as a table and a terminal as aligned columns.

Rule: cells are text already, so whoever makes a table decides how a number is rounded.

What it does not do: sort, sum or style.
"""

from __future__ import annotations

from collections.abc import Sequence


class Table:
    """Rows under heads; the first column to the left, the others to the right."""

    __slots__ = ("heads", "rows")

    def __init__(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Keep them.

        Raises:
            ValueError: a row has more or fewer cells than there are heads.
        """
        if any(len(row) != len(heads) for row in rows):
            raise ValueError(f"each row needs {len(heads)} cells")
        self.heads = tuple(heads)
        self.rows = tuple(tuple(row) for row in rows)

    def _repr_markdown_(self) -> str:
        rule = [":--", *["--:"] * (len(self.heads) - 1)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in (self.heads, rule, *self.rows))

    def __repr__(self) -> str:
        widths = [max(len(cell) for cell in column) for column in zip(self.heads, *self.rows, strict=True)]
        return "\n".join(self._line(cells, widths) for cells in (self.heads, *self.rows))

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        first, *others = cells
        aligned = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        return "  ".join(aligned).rstrip()
