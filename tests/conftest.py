"""For all tests: what makes the whole suite quick and changes nothing that a test sees.

A property that does not say otherwise is tried with fifty new examples in each run; `--hypothesis-profile=thorough`
tries a thousand. No example has a time limit: on a machine that others use, too, one takes a second now and then.

Rule: nothing here is known to a test. Without it each passes, too, but for Hypothesis' limit of 0.2 s an example.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("suite", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: a third of the time a test waits, for processes that it has started and for others.

    `make test` took 2:42 with three workers on two cores, and 3:13 with two.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores * 3 // 2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect with the garbage collector off, then put out of its sight what lives as long as the suite.

    To look through thousands of tests and all modules takes a third of a second, and a test that collects garbage in
    each of fifty examples has it done fifty times.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
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
