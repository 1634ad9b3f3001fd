"""Trial: run the tests of an exercise against the reader's file, the shipped one, or the solution.

Rule: a test says `from broken import ...`, whichever of the three it is run against: the chosen file is loaded under
that name. A test is a function `test_...` without arguments; it passes if it returns. Where time matters it calls
`api_gateway.simulation.run`, so nothing here waits.

What it does not do: need pytest. The exercises run with what the gateway itself needs.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from exercises.catalogue import Exercise


class Verdict(NamedTuple):
    """How one test ended."""

    test: str
    """Its name, as a sentence."""
    error: Exception | None
    """None if it passed. An AssertionError is the test's own; any other came out of the file under test."""
    message: str
    """What it has to say; empty if it passed."""

    @property
    def passed(self) -> bool:
        """Whether it did."""
        return self.error is None


def try_out(exercise: Exercise, file: Path) -> list[Verdict]:
    """What each test of the exercise says of `file`."""
    with _names_put_back("broken", "test_it"):
        try:
            load_as("broken", file)
            tests = load_as("test_it", exercise.test)
        except (Exception, SystemExit) as error:
            failure = RuntimeError(f"{type(error).__name__}: {error}")
            return [Verdict(f"{file.name} can be loaded", failure, f"{failure}{_place(error, file)}")]
        return [
            _run_one(name, value, file)
            for name, value in vars(tests).items()
            if name.startswith("test_") and callable(value)
        ]


def _run_one(name: str, test: object, file: Path) -> Verdict:
    sentence = name.removeprefix("test_").replace("_", " ")
    assert callable(test)
    try:
        test()
    except AssertionError as error:
        return Verdict(sentence, error, str(error) or f"an assertion failed{_place(error, file)}")
    except Exception as error:
        return Verdict(sentence, error, f"{type(error).__name__}: {error}{_place(error, file)}")
    return Verdict(sentence, None, "")


def _place(error: BaseException, file: Path) -> str:
    """The last line of `file` on the way to the error, if there is one."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f" (line {lines[-1]} of {file.name})" if lines else ""


def load_as(name: str, file: Path) -> ModuleType:
    """The module that `file` makes, known by `name` to whoever imports it from now on."""
    # Compiled from its text each time: bytecode is found by time of change, and who edits may be quicker than that.
    loader = _Text(name, str(file))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


class _Text(SourceFileLoader):
    """Loads any file as Python, and leaves no bytecode behind."""

    def path_stats(self, path: str) -> dict[str, object]:
        raise OSError("bytecode is neither looked for nor written")


@contextmanager
def _names_put_back(*names: str) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in names}
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
