"""For every test: how many examples a property is tried with, and what the garbage collector need not look at.

A property that does not say otherwise is tried with fifty new examples in each run; `--hypothesis-profile=default`
tries a hundred.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("suite", max_examples=50)
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect with the collector off, then put what is there out of its sight: a million objects that no test made."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
