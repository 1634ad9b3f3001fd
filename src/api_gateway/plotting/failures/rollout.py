"""Rollout: a configuration that is valid and wrong, and how many requests meet it before it is taken back.

Rule: N gateways share the traffic evenly. The new configuration comes to them in stages: so many gateways have it, and
are watched for a while before the next stage begins. When those gateways have given too many errors, all go back to
the old configuration, which takes some time. Old and new gateways are built by `build_gateway` from documents that
`check` finds nothing wrong with.

To replace a gateway's configuration while it runs (hot reload) is not part of the gateway yet: here the balancer
before the fleet chooses between gateways with the old one and gateways with the new one.

Bound: errors to be sure + share of the gateways * rate * time to go back; the smaller the stage, the longer it takes
to see, but what it costs to see stays the same.

What it does not do: notice what gives no errors. A wrong route that answers 200 needs another sign.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

from api_gateway.build import build_gateway
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.failures.laboratory import is_good
from api_gateway.simulation import Experiment, Outcome, Steady, VirtualClock, open_loop, run

Document: TypeAlias = Mapping[str, object]
"""A configuration, as plain dictionaries and lists."""


def check(document: str, name: str = "gateway.yaml") -> tuple[int, str]:
    """What `api-gateway check NAME` says of a document, and its exit code."""
    with TemporaryDirectory() as folder:
        Path(folder, name).write_text(document, encoding="utf-8")
        command = [sys.executable, "-m", "api_gateway", "check", name]
        ended = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).strip()


class Stage(NamedTuple):
    """A part of the fleet that gets the new configuration."""

    gateways: int
    seconds: float
    """Watched for so long, before the next stage."""


class Fleet(NamedTuple):
    """How a configuration comes to gateways, and goes back."""

    gateways: int = 20
    rate: float = 200.0
    """Requests a second, for all together."""
    orders: float = 0.3
    """The share of them that the wrong route is about."""
    begins: float = 10.0
    too_many: int = 20
    """Errors of gateways with the new configuration that are enough."""
    going_back: float = 20.0
    """Seconds from then until all have the old one."""
    seconds: float = 60.0


class Rolled(NamedTuple):
    """What became of a rollout."""

    outcomes: Sequence[Outcome]
    seen: float
    """Seconds after its begin when the errors were enough."""
    most: int
    """Gateways that had the new configuration."""

    @property
    def failed(self) -> int:
        """Requests without a useful answer."""
        return sum(not is_good(outcome) for outcome in self.outcomes)


def rollout(fleet: Fleet, old: Document, new: Document, stages: Sequence[Stage], seed: int = 1) -> Rolled:
    """Bring `new`, a document, to gateways that have `old`."""

    async def main() -> Rolled:
        loop, clock, random = asyncio.get_running_loop(), VirtualClock(), Random(f"fleet {seed}")
        before, after = (
            [Experiment(build_gateway(document, _services(), clock=clock)) for _ in range(fleet.gateways)]
            for document in (old, new)
        )
        having = most = errors = 0
        seen: asyncio.Future[float] = loop.create_future()
        requests = {name: Request("GET", f"/api/{name}/7") for name in ("orders", "users")}

        async def send() -> None:
            nonlocal errors
            number = random.randrange(fleet.gateways)
            name = "orders" if random.random() < fleet.orders else "users"
            is_new = number < having
            outcome = await (after if is_new else before)[number].send(requests[name])
            errors += is_new and not is_good(outcome)
            if errors >= fleet.too_many and not seen.done():
                seen.set_result(loop.time() - fleet.begins)

        async def roll() -> None:
            nonlocal having, most
            await asyncio.sleep(fleet.begins)
            for stage in stages:
                having = most = stage.gateways
                await asyncio.wait([seen], timeout=stage.seconds)
                if seen.done():
                    await asyncio.sleep(fleet.going_back)
                    having = 0
                    return

        async with asyncio.TaskGroup() as group:
            group.create_task(roll())
            await open_loop(Steady(fleet.rate), fleet.seconds, send, Random(f"arrivals {seed}"))
        outcomes = sorted(outcome for experiment in before + after for outcome in experiment.outcomes)
        return Rolled(outcomes, seen.result() if seen.done() else fleet.seconds, most)

    return run(main)


def expected_errors(fleet: Fleet, gateways: int) -> float:
    """Requests that meet the wrong route, if it is seen while so many gateways have it."""
    return fleet.too_many + gateways / fleet.gateways * fleet.rate * fleet.orders * fleet.going_back


def _services() -> dict[str, Handler]:
    return {"order-service": _answers_for("/api/orders/"), "user-service": _answers_for("/api/users/")}


def _answers_for(prefix: str) -> Handler:
    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200 if request.path.startswith(prefix) else 404)

    return handler
