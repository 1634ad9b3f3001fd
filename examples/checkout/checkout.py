"""Checkout: validate, reserve, pay, order, ship, as one Handler. Done as a whole, or undone as a whole.

    POST /api/checkout                                       201 {"status": "success", "order_id": ...}
    Idempotency-Key: "8e03978e-40d5-43dd"                    402 the card was declined, and nothing is kept
    {"cart_id": "c1", "payment_method": "card-good",         409 the same request still runs
     "shipping_address": "12 Elm Street"}                    422 the key belongs to another body
                                                             500 something is left; people have been told

Rule: each checkout runs in a task of its own. If the client leaves before payment began, it is undone; after that it
goes to its end, and the client that comes back with the same key gets the answer. The checkout's name is made of who
is calling and the key, so that a new process, which remembers nothing, still names each step as the old one did.

Bound: `most_running` checkouts at once, those included that nobody waits for; more get a 503.

What it does not do: survive its process (README.md says what that costs), or keep two gateways from working on one
key at the same time: that takes a shared store of keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from random import Random
from typing import Self

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import BadRequest, CallerUnknown, Overloaded, PayloadTooLarge, UnprocessableContent
from api_gateway.core.identity import Identity
from api_gateway.resilience.backoff import Backoff
from examples.checkout.answers import answer_to, first, replay, still_running
from examples.checkout.idempotency import Answer, IdempotencyKeys, KeyMissing, OtherBody, StillRunning, idempotency_key
from examples.checkout.purchase import Malformed, Purchase, Wanted
from examples.checkout.saga import Saga, Undoing
from examples.checkout.saga_log import MemorySagaLog, SagaLog
from examples.checkout.service_calls import ServiceCalls

LARGEST_BODY = 64 * 1024

_MILLISECOND = 1_000_000  # nanoseconds

_log = logging.getLogger("api_gateway.checkout")


class Checkout:
    """The checkout. Enter it inside the gateway, so that what runs is finished before the services are closed."""

    def __init__(
        self,
        services: Mapping[str, Handler] | None = None,
        *,
        log: SagaLog | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        timeout: float = 3.0,
        undoing: Undoing | None = None,
        most_running: int = 1000,
    ) -> None:
        """Make a checkout that has no checkouts yet.

        Args:
            services: carts, inventory, payments, orders and shipping; or give them to `connect` later.
            log: where it is written down what is half done; memory unless given.
            clock: tells the time.
            random: draws pauses between tries to undo.
            timeout: seconds for each step, retries of the service included.
            undoing: how often and how patiently undoing is tried; ten times within two minutes unless given.
            most_running: how many at once.
        """
        clock = clock or SystemClock()
        backoff = Backoff(100 * _MILLISECOND, 30_000 * _MILLISECOND, random or Random(), "equal")
        self.log: SagaLog = log if log is not None else MemorySagaLog()
        self._services = services or {}
        self._clock = clock
        self._timeout = timeout
        self._undoing = undoing or Undoing(backoff)
        self._most_running = most_running
        self._keys = IdempotencyKeys(clock)
        self._tasks: set[asyncio.Task[Answer]] = set()

    def connect(self, services: Mapping[str, Handler]) -> None:
        """Ask these services from now on: `gateway.services`, which are there only when the gateway is."""
        self._services = services

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Check out, once for each caller and key.

        Raises:
            BadRequest: there is no key, or the body is not what it must be.
            CallerUnknown: nobody has proved who is calling.
            UnprocessableContent: the key belongs to another body.
            Overloaded: too many checkouts run.
        """
        if context.identity is None:
            raise CallerUnknown("A checkout is somebody's; put auth before it.")
        body = await _read(request)
        try:
            key, wanted = idempotency_key(request), Wanted.parse(body)
        except (KeyMissing, Malformed) as error:
            raise BadRequest(f"{error}.") from None
        identifier = _identifier(context.identity, key)
        digest = hashlib.sha256(body).digest()
        try:
            known = self._keys.known(identifier, digest)
        except OtherBody:
            raise UnprocessableContent("This Idempotency-Key was sent with another body; take a new one.") from None
        except StillRunning:
            return still_running(context.request_id)
        if known is not None:
            return replay(known)
        if self._keys.running >= self._most_running:
            raise Overloaded(f"{self._most_running} checkouts run already")
        self._keys.begin(identifier, digest)
        return await self._begin(identifier, wanted, context.identity, request, context)

    async def close(self, seconds: float = 30.0) -> None:
        """Wait for what runs, for so long at most. What is cut off then is logged, and stays half done."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in (running := list(self._tasks)):
            task.cancel()
        if running:
            _log.error("%d checkouts are cut off, half done", len(running))
            await asyncio.wait(running)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _begin(
        self, identifier: str, wanted: Wanted, buyer: Identity, request: Request, context: RequestContext
    ) -> Response:
        calls = ServiceCalls(self._services, request, context, self._clock, self._timeout)
        purchase = Purchase(identifier, wanted, buyer.subject, calls)
        saga = Saga(identifier, purchase.steps(), self.log, self._undoing)

        async def finish() -> Answer:
            answer = answer_to(await saga.run(), identifier, purchase)
            self._keys.finish(identifier, answer)
            return answer

        task = asyncio.create_task(finish(), name=f"checkout {identifier}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            saga.stop()
            raise
        return first(task.result())


def _identifier(caller: Identity, key: str) -> str:
    """The same for the same caller and key, in every process; another for every other pair."""
    return hashlib.sha256(f"{len(caller.key)}:{caller.key}{key}".encode()).hexdigest()[:32]


async def _read(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise PayloadTooLarge(f"A checkout has at most {LARGEST_BODY} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)
