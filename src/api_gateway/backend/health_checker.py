"""Health checker: asks every endpoint of a service how it is, in the background.

Rule: one task for each endpoint, from `start` to `close`, never one for a request; so an endpoint that hangs delays
no other's check. The first check is sent at once. Checks go through the service's own transport, past balancer,
middleware, counts and log: what they measure is the way that requests take, and they show nowhere as traffic.
An endpoint that leaves the service stops being checked, one that joins is checked from then on.

Bound: at most one check for each endpoint under way, and at most `LARGEST` bytes of its answer are read.

A check that fails in a way nobody thought of is a failed check and a line in the log, never the end of checking.
When checking ends, what it said is taken back: nobody would be left to say that an endpoint has recovered.

What it does not do: count results (`health_check.py`) or choose endpoints (`healthy_endpoints.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random
from typing import cast

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import CheckResults, HealthCheck
from api_gateway.backend.healthy_endpoints import HealthyEndpoints
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.errors import GatewayError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.transport.transport import Transport

LARGEST = 64 * 1024
"""Bytes of an answer's body that are read, so that its connection can be used again."""

_USER_AGENT = {"user-agent": "api-gateway-health-check", "accept": "*/*"}
_log = logging.getLogger("api_gateway.health")


class HealthChecker:
    """Checks the members of `pool`, and takes them out and brings them back."""

    def __init__(
        self, check: HealthCheck, pool: HealthyEndpoints, transport: Transport, clock: Clock, random: Random
    ) -> None:
        """Check nothing yet."""
        self.check = check
        self.checks = 0
        """How many checks have ended."""
        self.failures = 0
        """How many of them failed."""
        self._pool = pool
        self._transport = transport
        self._clock = clock
        self._random = random
        self._request = Request("GET", check.path, headers=_USER_AGENT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watches: dict[Endpoint, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Check every member from now on, in the running event loop. Once started, nothing happens."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._watches, self._ending = {}, set()  # those of a loop that is gone are gone with it
        self.follow()

    def follow(self) -> None:
        """Check those who are members now, and nobody else; nothing before `start`."""
        if self._loop is None:
            return
        members = set(self._pool.members)
        for endpoint in self._watches.keys() - members:
            self._end(endpoint)
        for endpoint in self._pool.members:
            if endpoint not in self._watches:
                name = f"health check {endpoint.url}"
                self._watches[endpoint] = self._loop.create_task(self._watch(endpoint), name=name)

    async def close(self) -> None:
        """Stop checking. Returns when no check is under way."""
        for endpoint in list(self._watches):
            self._end(endpoint)
            self._pool.bring_back(endpoint, "check", self._clock.monotonic())
        self._loop = None
        if self._ending:
            await asyncio.wait(list(self._ending))

    def _end(self, endpoint: Endpoint) -> None:
        task = self._watches.pop(endpoint)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    async def _watch(self, endpoint: Endpoint) -> None:
        results = CheckResults(self.check)
        while True:
            began = self._clock.monotonic()
            problem = await self._problem(endpoint)
            self._judge(endpoint, results, problem)
            taken = (self._clock.monotonic() - began) / NANOSECONDS
            await asyncio.sleep(max(0.0, self._next_interval() - taken))

    def _next_interval(self) -> float:
        return self.check.interval * (1 + self.check.jitter * (2 * self._random.random() - 1))

    def _judge(self, endpoint: Endpoint, results: CheckResults, problem: str) -> None:
        self.checks += 1
        self.failures += bool(problem)
        if not results.record(passed=not problem):
            return
        if results.healthy:
            self._pool.bring_back(endpoint, "check", self._clock.monotonic())
        else:
            self._pool.take_out(endpoint, "check", f"check {self.check.path}: {problem}")

    async def _problem(self, endpoint: Endpoint) -> str:
        """Check once. Returns why the check failed; empty if it passed."""
        try:
            async with asyncio.timeout(self.check.timeout):
                return await self._ask(endpoint)
        except TimeoutError:
            return f"no answer in {self.check.timeout:g} s"
        except GatewayError as error:
            return error.detail
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return "the check was cancelled by whoever was asked"
        except Exception as error:
            _log.exception("service %s: the check of %s failed", self._pool.name, endpoint.url)
            return repr(error)

    async def _ask(self, endpoint: Endpoint) -> str:
        now = self._clock.monotonic()
        context = RequestContext(now)
        context.service, context.endpoint = self._pool.name, endpoint.url
        context.deadline = now + round(self.check.timeout * NANOSECONDS)
        context.upstream_host = self.check.host
        response = await self._transport.send(endpoint.url, self._request, context)
        await _read(response)
        return "" if response.status in self.check.expected_status else f"status {response.status}"


async def _read(response: Response) -> None:
    size = 0
    # It is a generator, and closes the response: here, if it is left in the middle, not when it is collected.
    chunks = cast(AsyncGenerator[bytes, None], response.stream())
    async with aclosing(chunks):
        async for chunk in chunks:
            size += len(chunk)
            if size > LARGEST:
                return
