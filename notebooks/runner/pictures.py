"""Pictures: what a cell shows, as a file beside the notebooks, for pages that are no notebook.

Rule: a cell with the tag `picture:NAME` has its picture in `pictures/NAME.png`, byte for byte. So a page that shows
the file shows what the next cell of the notebook asserts.

What it does not do: draw.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from notebooks.runner.pair import Problem, code_cells

_TAG = "picture:"


def write_pictures(notebook: NotebookNode, folder: Path) -> None:
    """Store each picture that a tag names."""
    for _, path, shown in _pictures(notebook, folder):
        if shown is not None:
            folder.mkdir(exist_ok=True)
            path.write_bytes(shown)


def other_pictures(name: str, notebook: NotebookNode, folder: Path) -> Iterator[Problem]:
    """Each cell whose picture is not what the file has."""
    for place, path, shown in _pictures(notebook, folder):
        if shown is None:
            yield Problem(name, place, f"shows nothing that could be {path.name}")
        elif not path.exists() or path.read_bytes() != shown:
            yield Problem(name, place, f"{folder.name}/{path.name} is not what this cell shows")


def _pictures(notebook: NotebookNode, folder: Path) -> Iterator[tuple[str, Path, bytes | None]]:
    """For each tag its cell, its file, and what the cell shows."""
    for place, cell in code_cells(notebook):
        shown = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        for tag in cell.metadata.get("tags", ()):
            if tag.startswith(_TAG):
                yield place, folder / f"{tag.removeprefix(_TAG)}.png", b64decode(shown[0]) if shown else None
