"""What a process leaves to its garbage collector, asked of real processes at their end."""

from __future__ import annotations

import re
import signal

import pytest

from tests.support.gateway_process import Origin, configuration, started

# A finalizer of multiprocessing, because worker processes end without running what `atexit` has.
SAY_AT_THE_END = """
import gc, os
from multiprocessing.util import Finalize
Finalize(None, lambda: os.write(2, b"set apart: %d\\n" % gc.get_freeze_count()), exitpriority=1)
"""


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_a_process_was_made_of_is_set_apart_once_it_is_ready(workers: int) -> None:
    options = f"--workers={workers}"
    async with Origin() as origin, started(configuration(origin.url), options, before=SAY_AT_THE_END) as gateway:
        assert (await gateway.get("/quick")).status_code == 200
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
        said = "\n".join(await gateway.err.all())
    counts = [int(count) for count in re.findall(r"set apart: (\d+)", said)]
    assert len(counts) >= workers
    assert min(counts) > 10_000
