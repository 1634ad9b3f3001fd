"""Stop: how far a process has been asked to stop.

    running --first SIGTERM or SIGINT--> draining --second--> at once

Rule: the first request lets what runs finish; the second cuts it. Nothing here ends anything: those
who serve wait for these events and act.
"""

from __future__ import annotations

import asyncio
import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""What a supervisor sends, and what Ctrl-C sends."""


class Stop:
    """Two events, set in this order and never cleared."""

    __slots__ = ("at_once", "draining")

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        """Take nothing new, finish what runs."""
        self.at_once = asyncio.Event()
        """Cut what runs."""

    def ask(self) -> None:
        """One step further."""
        (self.at_once if self.draining.is_set() else self.draining).set()

    def insist(self) -> None:
        """All the way."""
        self.draining.set()
        self.at_once.set()

    def on_signals(self) -> None:
        """From now on each of `SIGNALS` asks; the loop's own handling of them is replaced."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.ask)
