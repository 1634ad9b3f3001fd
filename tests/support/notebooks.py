"""Small notebooks, and what a kernel would have made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_output

from notebooks.runner.pair import Pair, code_cells

HEAD = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---
"""
SOURCE = f"""{HEAD}
# %% [markdown]
# The answer.

# %%
number = 41 + 1
number

# %%
assert number == 42
"""

Output = tuple[str, str]
"""A kind and a text; the kinds are those of data, `stdout`, `stderr` and `error`."""


def written(folder: Path, source: str = SOURCE, said: Mapping[int, list[Output]] | None = None) -> Pair:
    """A pair of files in which the cell of code with a number says something, as if it had been run."""
    pair = Pair(folder / "01_small.py", folder / "01_small.ipynb")
    pair.source.write_text(source)
    notebook = pair.read_source()
    for number, (_, cell) in enumerate(code_cells(notebook), 1):
        cell.execution_count = number
        cell.outputs = [_output(*one) for one in (said or {1: [("text/plain", "42")]}).get(number, [])]
    pair.write(notebook)
    return pair


def _output(kind: str, text: str) -> NotebookNode:
    if kind in ("stdout", "stderr"):
        return new_output("stream", name=kind, text=text)  # type: ignore[no-untyped-call, no-any-return]  # has no types
    if kind == "error":
        return new_output("error", ename=text, evalue="", traceback=[])  # type: ignore[no-untyped-call, no-any-return]  # likewise
    return new_output("display_data", data={kind: text})  # type: ignore[no-untyped-call, no-any-return]  # likewise
