from pathlib import Path

import pytest
from nbformat import NotebookNode

from notebooks.runner.execution import NotExecutedError, differences, execute, texts
from notebooks.runner.pair import code_cells
from tests.support.notebooks import HEAD, SOURCE, Output, written


def run(folder: Path, source: str, longest_cell: int = 30) -> NotebookNode:
    pair = written(folder, HEAD + source)
    return execute("n", pair.read_source(), folder, longest_cell)


def test_a_run_tells_what_each_cell_says_and_knows_its_folder(tmp_path: Path) -> None:
    (tmp_path / "beside.txt").write_text("here")
    source = (
        "# %%\nimport os\n\nprint(open('beside.txt').read())\nos.environ['API_GATEWAY_SLIDERS']\n"
        "\n# %% [markdown]\n# Words.\n\n# %%\nassert True\n"
    )
    notebook = run(tmp_path, source)
    assert [texts(cell) for _, cell in code_cells(notebook)] == [[("stdout", "here\n"), ("text/plain", "'off'")], []]


@pytest.mark.parametrize(
    ("code", "longest_cell", "cause"),
    [
        ("raise ValueError('of no worth')", 30, "ValueError: of no worth"),
        ("import asyncio\nawait asyncio.Event().wait()", 1, "took longer than 1 s"),
        ("import os\nos._exit(3)", 30, "ended the kernel"),
    ],
)
def test_a_run_that_stops_names_the_cell_and_the_cause(
    tmp_path: Path, code: str, longest_cell: int, cause: str
) -> None:
    with pytest.raises(NotExecutedError) as stopped:
        run(tmp_path, f"# %%\nfirst = 1\n\n# %%\n{code}\n\n# %%\nlast = 3\n", longest_cell)
    assert str(stopped.value.args[0]) == f"n: code cell 2 ({code.splitlines()[0]}): {cause}"


def compared(folder: Path, before: list[Output], after: list[Output], source: str = SOURCE) -> list[str]:
    stored = written(folder, source, {1: before}).read_stored()
    executed = written(folder, source, {1: after}).read_stored()
    return [str(problem) for problem in differences("n", stored, executed)]


def test_the_same_text_is_no_difference(tmp_path: Path) -> None:
    assert compared(tmp_path, [("stdout", "a\n"), ("stdout", "b\n")], [("stdout", "a\nb\n")]) == []


def test_another_text_is_shown_beside_what_was_stored(tmp_path: Path) -> None:
    assert compared(tmp_path, [("text/plain", "42")], [("text/plain", "43")]) == [
        "n: code cell 1 (number = 41 + 1): said\n    text/plain: 42\nand now says\n    text/plain: 43"
    ]
    assert compared(tmp_path, [("stdout", "a\n")], []) == [
        "n: code cell 1 (number = 41 + 1): said\n    stdout: a\nand now says\n    nothing"
    ]


def test_a_picture_must_be_there_but_may_look_otherwise(tmp_path: Path) -> None:
    assert compared(tmp_path, [("image/png", "aGVsbG8=")], [("image/png", "d29ybGQ=")]) == []
    assert len(compared(tmp_path, [("image/png", "aGVsbG8=")], [])) == 1


def test_what_varies_may_say_something_else_but_not_nothing(tmp_path: Path) -> None:
    source = SOURCE.replace("# %%\nnumber", '# %% tags=["varies"]\nnumber')
    assert compared(tmp_path, [("stdout", "12 ns\n")], [("stdout", "13 ns\n")], source) == []
    assert compared(tmp_path, [("stdout", "12 ns\n")], [], source) == [
        "n: code cell 1 (number = 41 + 1): said\n    stdout: 12 ns\nand now says\n    nothing"
    ]
