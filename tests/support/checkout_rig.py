"""A shop whose services fail as they are told to, a checkout before it, and a look at what is left in the end.

    async def main() -> None:
        async with CheckoutRig({"pay": ["lost"]}) as rig:
            response = await rig.check_out()
            await rig.settled()
            assert rig.violations(success=False) == []

Rule: everything runs in virtual time. Each call of a step's service goes as the next manner of its script says, and
well when the script is over; `undoing` scripts the calls that undo it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random
from typing import Literal, Self, TypeAlias, get_args

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.build_tools import MiddlewareFactory, Tools
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Middleware
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.resilience.backoff import Backoff
from api_gateway.simulation import VirtualClock
from examples.checkout.checkout import Checkout
from examples.checkout.gateway import shop_gateway
from examples.checkout.saga import Undoing
from examples.checkout.saga_log import MemorySagaLog, SagaLog
from examples.checkout.services import Shop

Manner: TypeAlias = Literal[
    "well",
    "unreachable",  # no connection: not done
    "refused",  # 4xx: not done
    "busy",  # 429, not done
    "broken",  # 500, not done
    "broken after",  # 500, done
    "lost",  # done, and no answer ever
    "hanging",  # not done, and no answer ever
    "late",  # no answer in time, done afterwards
    "slow",  # done, after two seconds
    "reset",  # done, and the connection breaks before the answer
    "cut",  # done, and the connection breaks in the middle of the answer
    "garbage",  # done, and the answer is no JSON
]
MANNERS: tuple[Manner, ...] = get_args(Manner)
STEPS: Mapping[str, str] = {
    "validate": "carts",
    "reserve": "inventory",
    "pay": "payments",
    "order": "orders",
    "ship": "shipping",
}
"""Who is asked by each step."""
TIMEOUT = 3.0
TRIES = 3
TOTAL = 4_700
LATE = 2 * TIMEOUT

Scripts: TypeAlias = Mapping[str, Sequence[Manner]]
NOTHING_WRONG: Scripts = {}


class FaultyService:
    """A service, in the manners of its scripts."""

    def __init__(self, service: Handler, doing: Sequence[Manner], undoing: Sequence[Manner]) -> None:
        self._service = service
        self._doing = list(doing)
        self._undoing = list(undoing)
        self.calls: list[str] = []
        self.late: list[asyncio.Task[None]] = []

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.calls.append(request.method)
        script = self._undoing if request.method == "DELETE" else self._doing
        manner: Manner = script.pop(0) if script else "well"
        if manner == "unreachable":
            raise ConnectFailed("nobody is there")
        if manner == "refused":
            return Response.json({"error": "no"}, 409)
        if manner == "busy":
            return Response.json({"error": "later"}, 429)
        if manner == "broken":
            return Response.json({"error": "broken"}, 500)
        if manner == "hanging":
            await asyncio.Event().wait()
        if manner == "late":
            self.late.append(asyncio.create_task(self._later(request, context)))
            await asyncio.Event().wait()
        if manner == "slow":
            await asyncio.sleep(2)
        response = await self._service(request, context)
        if manner == "lost":
            await asyncio.Event().wait()
        if manner == "broken after":
            return Response.json({"error": "broken"}, 500)
        if manner == "reset":
            raise UpstreamReset("gone before the answer")
        if manner == "cut":
            return Response(response.status, response.headers, _cut(await response.read()))
        if manner == "garbage":
            return Response.text("<html>")
        return response

    async def _later(self, request: Request, context: RequestContext) -> None:
        await asyncio.sleep(LATE)
        await (await self._service(request, context)).close()


async def _cut(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise UpstreamReset("gone in the middle of the answer")


def who(options: object, tools: Tools) -> Middleware:
    """Stands where auth would: whoever `X-Who` names is calling."""

    async def believe(request: Request, context: RequestContext, call_next: Handler) -> Response:
        name = request.header("x-who")
        context.identity = Identity(name, "api_key") if name else None
        return await call_next(request, context)

    return believe


PLUGINS: Mapping[str, MiddlewareFactory] = {"who": who}


def undoing(tries: int = TRIES) -> Undoing:
    return Undoing(Backoff(NANOSECONDS // 10, NANOSECONDS, Random(1), "none"), tries)


class CheckoutRig:
    """One shop and one gateway; `checkout` can be replaced by another, as a new process would have."""

    def __init__(
        self,
        doing: Scripts = NOTHING_WRONG,
        undone: Scripts = NOTHING_WRONG,
        *,
        deadline: str = "60s",
        retry: bool = False,
        log: SagaLog | None = None,
        most_running: int = 1000,
    ) -> None:
        self.shop = Shop("ada")
        self.log = MemorySagaLog()
        self.services = {
            service: FaultyService(self.shop.services[service], doing.get(step, ()), undone.get(step, ()))
            for step, service in STEPS.items()
        }
        self._deadline = deadline
        self._retry = retry
        self.checkout = self._connected(log or self.log, most_running)

    def restart(self) -> None:
        """What a new process would be: the services are as they were, and nobody remembers anything."""
        self.log = MemorySagaLog()
        self.checkout = self._connected(self.log)

    def _connected(self, log: SagaLog, most_running: int = 1000) -> Checkout:
        clock = VirtualClock()
        checkout = Checkout(
            log=log, clock=clock, random=Random(2), timeout=TIMEOUT, undoing=undoing(), most_running=most_running
        )
        retry = {"retry": {"attempts": 2, "on": ["connect_error", "reset", 503]}}
        config: dict[str, object] = {
            "services": dict.fromkeys(self.services, retry) if self._retry else {},
            "middleware": ["request_id", "who"],
            "routes": [
                {"path": "/api/checkout", "service": "checkout", "middleware": [{"deadline": self._deadline}]},
            ],
        }
        self.gateway = shop_gateway(config, checkout, self.services, clock=clock, random=Random(3), middleware=PLUGINS)
        return checkout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.settled()

    async def check_out(
        self, key: str = "k1", *, who: str = "ada", cart: str = "c1", method: str = "card-good"
    ) -> Response:
        body = f'{{"cart_id": "{cart}", "payment_method": "{method}", "shipping_address": "12 Elm Street"}}'
        headers = {"idempotency-key": f'"{key}"', "x-who": who}
        return await self.gateway.handle(Request("POST", "/api/checkout", headers, body.encode()))

    async def settled(self) -> None:
        """Until nothing runs, and what was late has arrived."""
        await self.checkout.close(seconds=3600)
        late = [task for service in self.services.values() for task in service.late]
        if late:
            await asyncio.wait(late)

    def violations(self, *, success: bool) -> list[str]:
        """What must not be: half done, done twice, or not what the answer said. For one checkout of c1."""
        humans = {entry.step for entry in self.log.needs_human}
        wrong = [f"{step} needs a human after a success" for step in humans if success]
        for step, service in zip(list(STEPS)[1:], self.shop.keyed.values(), strict=True):
            if len(service.made) > 1 or service.times_made > 1:
                wrong.append(f"{step} was done {service.times_made} times")
            if success and not service.made:
                wrong.append(f"{step} was not done")
            if not success and service.made and step not in humans:
                wrong.append(f"{step} was not undone")
        if self.shop.payments.takings != TOTAL * len(self.shop.payments.made):
            wrong.append(f"{self.shop.payments.takings} cents were charged")
        if self.shop.inventory.stock["tea"] != 10 - 2 * len(self.shop.inventory.made):
            wrong.append(f"{self.shop.inventory.stock} in stock")
        if self.log.unfinished:
            wrong.append(f"in the saga log: {self.log.unfinished}")
        return wrong
