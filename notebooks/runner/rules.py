"""Rules: what can be checked of a notebook without running it.

Rule: a reader must be able to take in a cell at a glance, so code has at most ten lines; classes and bare
matplotlib belong into the package, where they are tested. A figure's title is a claim, so the next cell of
code after a picture asserts something. What is stored was run once, from top to bottom, without an error or a
warning.

What it does not do: judge prose.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nbformat import NotebookNode

from notebooks.runner.pair import Problem, code_cells

MOST_LINES = 10


def broken_rules(name: str, notebook: NotebookNode) -> Iterator[Problem]:
    """What is wrong with a stored notebook."""
    for place, cell in code_cells(notebook):
        yield from (Problem(name, place, cause) for cause in _of_code(cell.source))
    yield from _of_outputs(name, notebook)


def _of_code(source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > MOST_LINES:
        yield f"{lines} lines, more than {MOST_LINES}"
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        yield f"not Python: {error.msg}"
        return
    if any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)):
        yield "defines a class, which belongs into the package"
    if any(_is_bare_matplotlib(node) for node in ast.walk(tree)):
        yield "uses matplotlib itself, which belongs into api_gateway.plotting"


def _is_bare_matplotlib(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == "matplotlib" for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] == "matplotlib"
    return isinstance(node, ast.Name) and node.id == "plt"


def _of_outputs(name: str, notebook: NotebookNode) -> Iterator[Problem]:
    pictured = ""
    for number, (place, cell) in enumerate(code_cells(notebook), 1):
        if cell.execution_count != number:
            yield Problem(name, place, f"was not run in its turn: its count is {cell.execution_count}")
        for output in cell.outputs:
            if output.output_type == "error":
                yield Problem(name, place, f"an error is stored: {output.ename}: {output.evalue}")
            if output.get("name") == "stderr":
                yield Problem(name, place, f"a warning is stored: {output.text.strip()}")
        asserts = any(isinstance(node, ast.Assert) for node in _statements(cell.source))
        if pictured and not asserts:
            yield Problem(name, pictured, "the next cell does not assert what the picture says")
        pictured = place if any("image/png" in output.get("data", {}) for output in cell.outputs) else ""
    if pictured:
        yield Problem(name, pictured, "no cell follows that asserts what the picture says")


def _statements(source: str) -> Iterator[ast.AST]:
    try:
        yield from ast.walk(ast.parse(source))
    except SyntaxError:
        return  # reported as such
