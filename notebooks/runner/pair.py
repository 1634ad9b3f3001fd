"""Pair: a notebook is two files, `NN_name.py` to edit and `NN_name.ipynb` to read.

Rule: the source is a Python file in jupytext's percent form: it can be linted, searched and reviewed. The
`.ipynb` beside it has the same cells and what they said when they were last run, because people read
notebooks on the web, where nobody runs them.

What is stored is made the same on every machine: cells are numbered instead of named by chance, and
neither times nor versions are kept.

What it does not do: run anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from nbformat import NotebookNode, from_dict

VARIES = "varies"
"""Tag of a cell whose text may differ from run to run, such as one that measures time."""

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class Problem(NamedTuple):
    """What is wrong, and where."""

    notebook: str
    cell: str
    """As `code cell 3: first line`; empty where it concerns the whole notebook."""
    cause: str

    def __str__(self) -> str:
        return f"{self.notebook}: {self.cell + ': ' if self.cell else ''}{self.cause}"


class Pair(NamedTuple):
    """The two files of one notebook."""

    source: Path
    stored: Path

    @property
    def name(self) -> str:
        """Without a suffix."""
        return self.source.stem

    @property
    def pictures(self) -> Path:
        """The folder of pictures that other pages show (`pictures.py`)."""
        return self.stored.parent / "pictures"

    def read_source(self) -> NotebookNode:
        """The cells of the source, without outputs, in the form in which they are stored."""
        return _as_stored(jupytext.read(self.source))

    def read_stored(self) -> NotebookNode:
        """The stored notebook.

        Raises:
            FileNotFoundError: there is none.
            nbformat.reader.NotJSONError: it is not one.
        """
        stored: NotebookNode = nbformat.read(self.stored, as_version=4)  # type: ignore[no-untyped-call]  # has no types
        return stored

    def write(self, executed: NotebookNode) -> None:
        """Store what was executed."""
        text = nbformat.writes(_as_stored(executed))  # type: ignore[no-untyped-call]  # nor has this
        self.stored.write_text(text + "\n", encoding="utf-8")


def pairs_in(folder: Path) -> list[Pair]:
    """Every notebook of which there is at least one file, in order of their names."""
    stems = {path.with_suffix("") for suffix in (".py", ".ipynb") for path in folder.glob(f"[0-9][0-9]_*{suffix}")}
    return [Pair(stem.with_suffix(".py"), stem.with_suffix(".ipynb")) for stem in sorted(stems)]


def code_cells(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    """Each cell of code, and how to name it to a person."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    for number, cell in enumerate(cells, 1):
        first = next((line for line in cell.source.splitlines() if line.strip()), "(empty)")
        yield f"code cell {number} ({first.strip()})", cell


def out_of_step(name: str, source: NotebookNode, stored: NotebookNode) -> Problem | None:
    """The first difference between the cells of a source and of what is stored."""
    for number, (ours, theirs) in enumerate(zip(source.cells, stored.cells, strict=False), 1):
        if _essence(ours) != _essence(theirs):
            kind = "code" if ours.cell_type == "code" else "text"
            return Problem(name, f"cell {number}", f"its {kind} is not the same in the .py and the .ipynb")
    if len(source.cells) != len(stored.cells):
        counts = f"{len(source.cells)} cells in the .py, {len(stored.cells)} in the .ipynb"
        return Problem(name, "", counts)
    return None


def _essence(cell: NotebookNode) -> tuple[str, str, tuple[str, ...]]:
    return cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ()))


def _as_stored(notebook: NotebookNode) -> NotebookNode:
    notebook.metadata = _node(
        {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": _KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        tags = cell.metadata.get("tags")
        cell.metadata = _node({"tags": tags} if tags else {})
    return notebook


def _node(content: dict[str, object]) -> NotebookNode:
    node: NotebookNode = from_dict(content)  # type: ignore[no-untyped-call]  # nor has this
    return node
