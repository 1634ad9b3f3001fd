"""Execution: run a notebook from top to bottom, and compare what it says with what is stored.

Rule: text must be the same to the letter, because everything in a notebook is deterministic: time is virtual
and chance is seeded. A cell that measures is tagged `varies`: its text is not compared, only that there
is some where there was some. Of pictures it is compared that they are there: what a line of pixels is
depends on matplotlib's version, and what matters of it is asserted in the next cell.

Each notebook gets a kernel of its own, in its folder, with no profile and no sliders.

What it does not do: stop at the first difference, other than an error.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from api_gateway.plotting.explore import SWITCH
from notebooks.runner.pair import VARIES, Problem, code_cells

LONGEST_CELL = 120
"""Seconds."""


class NotExecutedError(Exception):
    """A notebook stopped; its one argument is a `Problem`."""


def execute(name: str, notebook: NotebookNode, folder: Path, longest_cell: int = LONGEST_CELL) -> NotebookNode:
    """Run `notebook` in `folder`, and give it back with what it said.

    Raises:
        NotExecutedError: a cell raised an error, took too long, or ended the kernel.
    """
    import_module("matplotlib.font_manager")  # on a new machine it takes seconds to list fonts, and says so on stderr
    started: list[NotebookNode] = []
    client = NotebookClient(
        notebook,
        timeout=longest_cell,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # of the kernel itself, which warns of its own transport
        on_cell_start=lambda cell, **_: started.append(cell),
    )
    with tempfile.TemporaryDirectory() as profile:
        try:
            return client.execute(env={**os.environ, SWITCH: "off", "IPYTHONDIR": profile})
        except CellExecutionError as error:
            cause = f"{error.ename}: {error.evalue}".strip().removesuffix(":")
        except CellTimeoutError:
            cause = f"took longer than {longest_cell} s"
        except DeadKernelError:
            cause = "ended the kernel"
        except RuntimeError as error:  # what nbclient raises when a kernel does not start
            cause = str(error)
    stopped = (place for place, cell in code_cells(notebook) if started and cell is started[-1])
    raise NotExecutedError(Problem(name, next(stopped, ""), cause))


def differences(name: str, stored: NotebookNode, executed: NotebookNode) -> Iterator[Problem]:
    """Where two runs of the same cells do not say the same."""
    for (place, before), (_, after) in zip(code_cells(stored), code_cells(executed), strict=True):
        was, is_now = texts(before), texts(after)
        varies = VARIES in before.metadata.get("tags", ())
        if [kind for kind, _ in was] != [kind for kind, _ in is_now] or (was != is_now and not varies):
            yield Problem(name, place, f"said\n{_shown(was)}\nand now says\n{_shown(is_now)}")


def texts(cell: NotebookNode) -> list[tuple[str, str]]:
    """What a cell said, as kinds and texts; a picture is a kind without text."""
    said: list[tuple[str, str]] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            if said and said[-1][0] == output.name:
                said[-1] = (output.name, said[-1][1] + output.text)
            else:
                said.append((output.name, output.text))
        elif output.output_type == "error":
            said.append(("error", f"{output.ename}: {output.evalue}"))
        else:
            said += [(kind, data if kind.startswith("text/") else "") for kind, data in sorted(output.data.items())]
    return said


def _shown(said: list[tuple[str, str]]) -> str:
    return "\n".join(f"    {line}" for item in said for line in ": ".join(item).splitlines()) or "    nothing"
