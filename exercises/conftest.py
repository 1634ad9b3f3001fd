"""For those who rather type `pytest exercises/03_cache_key/test_it.py`: it is run against the broken.py beside it."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from exercises.trial import load_as


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Before a test file is imported, `broken` becomes the one of its folder."""
    if isinstance(collector, pytest.Module) and collector.path.name == "test_it.py":
        load_as("broken", collector.path.with_name("broken.py"))
    return (yield)
