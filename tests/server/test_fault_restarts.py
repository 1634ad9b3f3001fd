"""Instances of a service are killed and started again under load: what clients notice of it.

The instances are processes, killed by SIGKILL. `python -m benchmarks restarts` does the same at 2,000
requests a second, with the gateway as a process of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from api_gateway import BackendService, build_gateway
from api_gateway.middleware.retry import RetryMiddleware
from benchmarks import restarts
from benchmarks.open_loop import Generator, OpenLoad
from benchmarks.processes import Processes
from benchmarks.restarts import Instance, Restart
from tests.support.config_files import load_text
from tests.support.gateway_server import serve
from tests.support.leaks import settled

RATE = 300
"""Requests a second: what passes on a busy machine with gateway, client and test in one process."""
INSTANCES = 3
DOWN = 0.2
"""Seconds between kill and restart."""


@dataclass(frozen=True)
class Fleet:
    """The instances, the service that the gateway makes of them, and where that is asked."""

    instances: list[Instance]
    service: BackendService
    url: str

    def answered(self, url: str) -> int:
        (endpoint,) = [each for each in self.service.endpoints if each.url == url]
        return endpoint.requests - endpoint.failures

    async def restart(self, instance: Instance) -> Restart:
        return await asyncio.to_thread(restarts.restart, instance, self.answered, lambda: False)

    async def load(self, seconds: float = 0.25) -> OpenLoad:
        return await Generator(self.url, RATE, seconds).run(8)


@asynccontextmanager
async def fleet(*, retries: bool = True) -> AsyncIterator[Fleet]:
    """Three instances that run, and a gateway before them."""
    with Processes() as processes:
        instances = [Instance(f"instance-{number}", processes) for number in range(INSTANCES)]
        await asyncio.gather(*(asyncio.to_thread(instance.start) for instance in instances))
        written = restarts.configuration([instance.url for instance in instances])
        gateway = build_gateway(load_text(written if retries else re.sub(r"\n +retry:.*", "", written)))
        service = gateway.services["service"]
        assert isinstance(service, BackendService)
        async with serve(gateway) as server:
            yield Fleet(instances, service, f"{server.url}/any")
            await settled(gateway)


@pytest.fixture(autouse=True)
def _down_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "DOWN", DOWN)


async def test_with_retries_no_request_fails_and_every_instance_is_used_again() -> None:
    async with fleet() as running:
        (retry,) = (layer for layer in running.service.middleware if isinstance(layer, RetryMiddleware))

        async def restart_each() -> list[Restart]:
            return [await running.restart(instance) for instance in running.instances]

        loads = [await running.load()]  # a retry budget is a share of what has been
        restarting = asyncio.create_task(restart_each())
        while not restarting.done():
            loads.append(await running.load())
        assert all(each.back_after < restarts.BACK_IN_USE for each in await restarting)
        assert sum(load.errors for load in loads) == 0
        assert retry.retries >= INSTANCES, "without that, nothing was killed under load"
        assert retry.exhausted == retry.out_of_budget == retry.out_of_time == 0
        before = [running.answered(each.url) for each in running.instances]
        await running.load()
        used = [running.answered(each.url) - count for each, count in zip(running.instances, before, strict=True)]
        assert max(used) - min(used) <= 1, "in turn, as if nothing had been"


async def test_without_retries_clients_notice_a_kill() -> None:
    async with fleet(retries=False) as running:
        running.instances[0].kill()
        load = await running.load()
        assert 0 < load.errors < load.requests / 2, "those that it was asked for, until it was left out"
