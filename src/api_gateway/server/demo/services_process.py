"""Services process: the child process in which the demo's services run.

Rule: a process of its own, so that the gateway has its event loop to itself, in a session of its
own, so that Ctrl-C reaches the gateway alone: it drains while its services still answer. The
child lives as long as the pipe to its standard input; the kernel closes that pipe even when this
process is killed. So the child also keeps what must not be left behind: the file of API keys.

What it does not do: restart the child. A demo whose services died shows 502.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_GRACE = 2.0
"""Seconds that the services may take to end."""


@dataclass(frozen=True, slots=True)
class Started:
    """What the services' process says once all instances listen."""

    ports: Mapping[str, int]
    """Each instance's, by name."""
    keys_file: Path
    """The record of the API key. The process removes the file when it ends."""
    key: str = field(repr=False)
    """The API key."""
    tokens: Mapping[str, str] = field(repr=False)
    """An opaque token for each user, by name."""


class ServicesProcess:
    """The services, running from construction on; leave the `with` block to end them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "api_gateway.server.demo.instances"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None, "a pipe was asked for"
        assert self._process.stdout is not None, "a pipe was asked for"
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def started(self) -> Started:
        """Ports and credentials; waits until all instances listen.

        Raises:
            ChildProcessError: the services did not start; they have said why on standard error.
        """
        line = self._stdout.readline()
        if not line:
            raise ChildProcessError(f"the demo's services did not start (exit status {self._process.wait()})")
        said = json.loads(line)
        return Started(said["ports"], Path(said["keys_file"]), said["key"], said["tokens"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stdin.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
