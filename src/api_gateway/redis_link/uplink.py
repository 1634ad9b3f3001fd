"""Uplink: a link to the server whenever there can be one, and who knows at once when there is none.

    new --first request--> connecting --> up <--> down          down: connect, wait, connect, wait, ...

Rule: while it is down, nobody waits for it: `link` is None, and requests are decided without the server. A task
of its own connects again: at once, then after 50 ms, then twice as long each time, up to `LONGEST_WAIT`; each
wait is drawn between half of that and all, so that gateways that lost the server together do not return
together.
Only the requests of the very first connecting wait, as long as they would for an answer.

What people see: one WARNING when it goes down, with the reason, one INFO when it is back, and `outages`.

It belongs to the event loop in which it was first used, as its connection does.

What it does not do: decide anything about requests.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from api_gateway.redis_link.connecting import ServerAddress
from api_gateway.redis_link.link import Link
from api_gateway.redis_link.request import StoreFailed

FIRST_WAIT = 0.05
LONGEST_WAIT = 1.0
"""Seconds between two attempts to connect: a server that is back is noticed within that."""
STABLE = 1.0
"""Seconds after which the loss of a link is no failure of connecting, and the next attempt comes at once."""
CONNECT_TIMEOUT = 1.0
"""Seconds; at least, where a request may wait for longer."""


class Uplink:
    """Keeps a link."""

    def __init__(
        self,
        address: ServerAddress,
        *,
        probe_key: str,
        timeout: float,
        on_up: Callable[[Link], None],
        name: str,
        meanwhile: str,
        log: logging.Logger,
        large_replies: bool = False,
    ) -> None:
        """Keep a link to `address`, on which a request waits for `timeout` seconds at most.

        `on_up` is called with each new link. `log` is told, of what is called `name`, and of what is done `meanwhile`.
        `large_replies` is for the link.
        """
        self.link: Link | None = None
        """The link, or None: new, connecting for the first time, or down."""
        self.outages = 0
        """How often the server went out of reach."""
        self._address = address
        self._probe_key = probe_key
        self._timeout = timeout
        self._on_up = on_up
        self._name = name
        self._meanwhile = meanwhile
        self._log = log
        self._large_replies = large_replies
        self._chance = random.Random()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._decided: asyncio.Future[None] | None = None  # done when the first connecting is over
        self._why_down = ""
        self._closed = False
        self._errors_before = self._repeated_before = 0

    @property
    def errors(self) -> int:
        """Error replies that concerned one request alone, on all links so far."""
        return self._errors_before + (self.link.errors if self.link else 0)

    @property
    def repeated(self) -> int:
        """Calls sent again with the script's text, on all links so far."""
        return self._repeated_before + (self.link.repeated if self.link else 0)

    @property
    def shown(self) -> str:
        """The server's address, without what is secret."""
        return self._address.shown

    @property
    def why_down(self) -> str:
        """Why the server is out of reach; empty while it is not, or nobody has tried."""
        return self._why_down

    def check(self) -> None:
        """Whether this may be used here and now.

        Raises:
            RuntimeError: it is closed, or another event loop runs than the one it was first used in.
        """
        if self._closed:
            raise RuntimeError(f"this {self._name} is closed")
        if asyncio.get_running_loop() is not self._loop:
            self.check_loop()
            self._loop = asyncio.get_running_loop()
            self._decided = self._loop.create_future()
            self._task = self._loop.create_task(self._keep())

    def check_loop(self) -> None:
        """Whether this may be used or closed in the event loop that runs.

        Raises:
            RuntimeError: it was first used in another one.
        """
        if self._loop not in (None, asyncio.get_running_loop()):
            raise RuntimeError(f"this {self._name} was first used in another event loop; each loop needs its own")

    async def first_link(self) -> Link | None:
        """Wait for the first connecting to end, if it has not; the link, or None where there is none."""
        if self._decided is not None and not self._decided.done():
            try:
                async with asyncio.timeout(self._timeout):
                    await asyncio.shield(self._decided)
            except TimeoutError:
                self._go_down(f"no connection within {self._timeout:g} s")
        return self.link

    async def close(self) -> None:
        """Close the link, or stop trying; again is fine.

        Raises:
            RuntimeError: another event loop runs than the one it was used in.
        """
        self.check_loop()
        self._closed = True
        if self.link is not None:
            await self.link.flush()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._settle()

    async def _keep(self) -> None:
        """Connect, hold, and connect again, until cancelled."""
        failures = 0  # one after another, and links that did not live
        while True:
            if failures:
                await asyncio.sleep(self._wait_after(failures))
            try:
                connection = await self._address.connect(self._probe_key, max(CONNECT_TIMEOUT, self._timeout))
            except StoreFailed as error:
                self._go_down(str(error))
                failures += 1
                continue
            link = Link(connection, self._timeout, name=self._name, log=self._log, large_replies=self._large_replies)
            since = self._time()
            self._go_up(link)
            try:
                reason = await link.run()
            finally:
                self.link = None
                self._errors_before += link.errors
                self._repeated_before += link.repeated
            self._go_down(reason)
            failures = 0 if self._time() - since >= STABLE else failures + 1

    def _go_up(self, link: Link) -> None:
        self.link = link
        if self._why_down:
            self._why_down = ""
            self._log.info("%s %s: back", self._name, self._address.shown)
        self._settle()
        self._on_up(link)

    def _go_down(self, reason: str) -> None:
        if not self._why_down:
            self._why_down = reason or "the connection was lost"
            self.outages += 1
            self._log.warning(
                "%s %s: out of reach (%s); until it is back, %s",
                self._name,
                self._address.shown,
                self._why_down,
                self._meanwhile,
            )
        self._settle()

    def _settle(self) -> None:
        if self._decided is not None and not self._decided.done():
            self._decided.set_result(None)

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _wait_after(self, failures: int) -> float:
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 16))
        return self._chance.uniform(longest / 2, longest)
