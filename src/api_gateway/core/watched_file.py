"""Watched file: something made of files, and made anew when they change, while the gateway runs.

Rule: the files are looked at (size, time, inode) every few seconds. When that differs, all is loaded again, and
only what loads without an error takes the place of what was there: a key that is half written, or a certificate
whose key has not arrived yet, changes nothing but the log, which says so once for each change.

Why looking: notification needs an interface of each system, misses network file systems and the swap of symbolic
links by which orchestrators mount secrets, and would need this as its fallback.

Cost: one `stat` for each file and look. What it does not do: run faster than it looks, or watch directories.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from api_gateway.core.errors import ConfigurationError

LOOK_EVERY = 2.0
"""Seconds between two looks."""

Made = TypeVar("Made")
_Signature = tuple[tuple[int, int, int] | None, ...]

_log = logging.getLogger("api_gateway.files")


class WatchedFile(Generic[Made]):
    """What `load` makes of some files, as they are now."""

    def __init__(self, paths: Sequence[Path], load: Callable[[], Made], *, every: float = LOOK_EVERY) -> None:
        """Load for the first time.

        Raises:
            ConfigurationError: it cannot be loaded; `load` raises it with place, cause and remedy.
        """
        self._paths = tuple(paths)
        self._load = load
        self._every = every
        self._seen = self._signature()
        self._task: asyncio.Task[None] | None = None
        self.value: Made = self._first()
        self.reloads = 0
        """How often it was made anew."""
        self.failures = 0
        """How many changes could not be loaded."""

    async def start(self) -> None:
        """Begin to look, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._look_again_and_again())

    async def close(self) -> None:
        """Look no more. The value stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def look(self) -> None:
        """Load again if the files have changed; never raises for what is in them."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self.value = self._load()
        except (ConfigurationError, OSError) as error:
            self.failures += 1
            _log.error("not reloaded, the earlier one stays in use: %s", error)
        except Exception:  # a defect in a loader must not end the watch
            self.failures += 1
            _log.exception("not reloaded, the earlier one stays in use")
        else:
            self.reloads += 1
            _log.info("reloaded %s", ", ".join(str(path) for path in self._paths))

    def _first(self) -> Made:
        try:
            return self._load()
        except OSError as error:
            raise ConfigurationError(f"cannot read {error.filename or self._paths[0]}: {error.strerror}") from None

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self.look()

    def _signature(self) -> _Signature:
        return tuple(_signature_of(path) for path in self._paths)


def _signature_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
