"""Event loop: uvloop where it is installed, since that is what the gateway itself uses."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")

try:
    import uvloop
except ImportError:
    NAME = "asyncio"
else:
    NAME = "uvloop"


def run(main: Coroutine[object, object, Result]) -> Result:
    """Run `main` to its end on the fastest loop there is; Ctrl-C ends it as usual."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if NAME == "uvloop" else None) as runner:
        return runner.run(main)
