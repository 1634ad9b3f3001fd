"""Machine: which cores, which tools, and what to say where something is missing.

Rule: load generator and origin share the first core, the thing under test has the second, so
that neither steals time from the other and two runs can be compared. A child inherits the
affinity of the thread that starts it, so pinning needs no tool.

What it does not do: quiet the machine. Other work on it shows as noise; that is why benchmarks
take several short rounds in turn and the median. Nor does it know how the interpreter was built: with one made without
profile-guided optimisation, as pyenv does unless told otherwise, the same code took about a fifth longer.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata

from benchmarks import event_loop

_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")


@dataclass(slots=True)
class Machine:
    """Where the measurement runs."""

    cores: tuple[int, ...]
    """The cores this process may use; empty where the system cannot pin."""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def detect(cls) -> Machine:
        """Look at this machine."""
        if not hasattr(os, "sched_setaffinity"):
            return cls((), [f"{platform.system()} cannot pin processes to cores: figures vary more from run to run"])
        cores = tuple(sorted(os.sched_getaffinity(0)))
        if len(cores) < 2:
            return cls((), ["only one core: load, origin and proxy share it, so ratios to a bare server mean little"])
        return cls(cores)

    @property
    def load_core(self) -> int | None:
        """For load generator and origin; None where there is no pinning."""
        return self.cores[0] if self.cores else None

    @property
    def test_core(self) -> int | None:
        """For what is measured; None where there is no pinning."""
        return self.cores[1] if self.cores else None

    def as_json(self) -> dict[str, object]:
        """What a reader needs to judge the figures."""
        return {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": len(self.cores) or os.cpu_count(),
            "pinned": bool(self.cores),
            "python": platform.python_version(),
            "event_loop": event_loop.NAME,
            "packages": {name: _version(name) for name in ("aiohttp", "httptools", "httpx2", "uvicorn", "uvloop")},
        }


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run the block, and what it starts, on `core`."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@cache
def tool(name: str) -> str | None:
    """Path of a program, also where only administrators look; None if it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
