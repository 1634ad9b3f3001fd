"""For all tests: what makes the whole suite quick and changes nothing that a test sees.

Rule: nothing here is known to a test; each of them passes without it, too.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest


def pytest_collection_finish() -> None:
    """Leave out of every later garbage collection what lives as long as the suite: fifteen thousand tests, and modules.

    To look through it takes a third of a second, and a test that collects in each of fifty examples has it done fifty
    times.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _processes_find_compiled_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep bytecode for the processes that tests start, where nobody else does.

    With `PYTHONDONTWRITEBYTECODE` set, as it often is in containers, each compiles all modules anew: 0.4 of the 1.1 s
    of CPU that the gateway takes to start.
    """
    if not sys.dont_write_bytecode:
        yield
        return
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        environment.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield
