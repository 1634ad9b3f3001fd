"""Cache warming: a list of URLs is asked for when the gateway starts, so that the first clients find them cached.

Rule: each request goes through the whole gateway, as a client's would: its route, its policies, its cache. So what is
refused to a stranger is not warmed. It begins when the gateway has had time to open, runs in the background, a few at
once, each with a limit of time, and ends with the gateway. What fails is logged and left to the clients.

What it does not do: hold up the start, repeat, or keep answers itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

_log = logging.getLogger("api_gateway.cache")


class CacheWarming:
    """Asks for a list of URLs, once."""

    __slots__ = ("_at_once", "_clock", "_delay", "_gateway", "_task", "_timeout", "_urls", "failed", "warmed")

    warmed: int
    """URLs that were answered without an error."""
    failed: int

    def __init__(
        self,
        gateway: Handler,
        urls: Sequence[str],
        clock: Clock,
        *,
        at_once: int = 4,
        timeout: float = 30.0,
        delay: float = 1.0,
    ) -> None:
        """Ask `gateway` for `urls`, each an absolute http or https URL.

        Args:
            gateway: everything a client's request passes, such as `ApiGateway.handle`.
            urls: what to ask for.
            clock: tells when a request begins.
            at_once: how many are under way at the same time.
            timeout: seconds for one.
            delay: seconds after the start, for health checks and connections.
        """
        self._gateway = gateway
        self._urls = tuple(urls)
        self._clock = clock
        self._at_once = at_once
        self._timeout = timeout
        self._delay = delay
        self._task: asyncio.Task[None] | None = None
        self.warmed = self.failed = 0

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="cache warming")

    async def close(self) -> None:
        """End, finished or not."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        await asyncio.sleep(self._delay)
        left = iter(self._urls)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(self._urls))):
                group.create_task(self._work(left))
        _log.info("the cache is warmed: %d of %d URLs", self.warmed, len(self._urls))

    async def _work(self, left: Iterator[str]) -> None:
        for url in left:
            try:
                async with asyncio.timeout(self._timeout):
                    status = await self._ask(url)
            except Exception as error:  # one URL's trouble is not the next one's
                status, reason = 0, repr(error)
            else:
                reason = f"status {status}"
            if 200 <= status < 400:
                self.warmed += 1
            else:
                self.failed += 1
                _log.warning("%s is not warmed: %s", url, reason)

    async def _ask(self, url: str) -> int:
        parts = urlsplit(url)
        context = RequestContext(self._clock.monotonic(), scheme=parts.scheme)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        response = await self._gateway(Request("GET", target, {"host": parts.netloc}), context)
        async for _ in response.stream():
            pass
        return response.status
