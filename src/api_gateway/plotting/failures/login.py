"""Login: the service that says who is calling goes down, and with it everything that asks it.

Authentication is not part of the gateway yet. `TokenCheck` is a stand-in, just large enough for the question of
this scenario: it asks the auth service for the identity behind a token, and may remember it.

Rule: an identity is *fresh* for some seconds, and then asked for again. When the auth service does not answer, a
policy says what an identity that is known, but not fresh, is good for:

| policy | a known identity, not fresh | an unknown one |
|---|---|---|
| ask each time | nothing is remembered | refused |
| fail closed | refused | refused |
| reads only | may read, may not write | refused |
| fail open | may do anything | may do anything |

What it does not do: check signatures (a token that proves itself needs no auth service, until it is to be revoked),
or bound what it remembers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.errors import ClientError, GatewayError, NoHealthyEndpoint
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.failures.laboratory import Trial, breaker_for
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import Experiment, FakeService, Fault, Steady, VirtualClock, open_loop, run
from api_gateway.transport.in_process import InProcessTransport

Policy: TypeAlias = Literal["ask each time", "fail closed", "reads only", "fail open"]

POLICIES: tuple[Policy, ...] = ("ask each time", "fail closed", "reads only", "fail open")

_READS = frozenset({"GET", "HEAD"})


class Unauthenticated(ClientError):
    """401: nobody has this token."""

    status, code, title, flag = 401, "unauthenticated", "Unknown token", "UAEX"


class AuthUnavailable(NoHealthyEndpoint):
    """503: nobody can say who has this token."""

    code, title, flag = "auth-unavailable", "Callers cannot be told apart at the moment", "UAEX"


class TokenCheck:
    """Middleware: lets through whoever the auth service knows."""

    def __init__(self, auth: Handler, policy: Policy, fresh: float, clock: Clock) -> None:
        """`fresh` is how many seconds an identity is not asked for again."""
        self._auth = auth
        self._policy = policy
        self._fresh = round(fresh * NANOSECONDS)
        self._clock = clock
        self._known: dict[str, int] = {}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Pass on, if the token is somebody's.

        Raises:
            Unauthenticated: it is nobody's.
            AuthUnavailable: that cannot be found out, and the policy does not let it pass.
        """
        token, now = request.headers.get("authorization") or "", self._clock.monotonic()
        since = self._known.get(token)
        if since is None or now - since >= self._fresh or self._policy == "ask each time":
            await self._ask(token, request, since is not None)
        context.identity = Identity(token, "introspection") if token else None
        return await call_next(request, context)

    async def _ask(self, token: str, request: Request, known: bool) -> None:
        try:
            question = Request("GET", f"/introspect/{token}")
            answer = await self._auth(question, RequestContext(self._clock.monotonic()))
        except GatewayError as error:
            if self._policy == "fail open" or (self._policy == "reads only" and known and request.method in _READS):
                return
            raise AuthUnavailable(f"the auth service: {error.detail}") from error
        if answer.status != 200:
            self._known.pop(token, None)
            raise Unauthenticated("the auth service does not know this token")
        self._known[token] = self._clock.monotonic()


class Outage(NamedTuple):
    """What happens."""

    down: tuple[float, float] = (20.0, 45.0)
    users: int = 200
    rate: float = 100.0
    writes: float = 0.1
    """The share of the requests that write."""
    strangers: float = 0.02
    """The share of the requests with a token that nobody has."""
    fresh: float = 10.0
    """Seconds."""
    seconds: float = 60.0


class Seen(NamedTuple):
    """What was let through, and what was refused, of what was asked for during the outage."""

    trial: Trial
    passed: Counter[str]
    """Requests by kind: reads, writes, strangers."""
    asked: Counter[str]

    def share(self, kind: str) -> float:
        """Of the requests of this kind, those that were answered."""
        return self.passed[kind] / self.asked[kind]


def outage(policy: Policy, what: Outage, seed: int = 1) -> Seen:
    """The flow `users` holds the requests of users, without those of strangers."""

    async def main() -> Seen:
        clock, random = VirtualClock(), Random(seed)
        answers = FakeService(0.005, workers=100, faults=[Fault("refuse", *what.down)], random=random)
        auth = _service("auth", _knows_users(answers), [breaker_for("auth", clock, 2.0)], clock)
        orders = _service("orders", FakeService(0.02, workers=100, random=random), [], clock)
        check = TokenCheck(auth, policy, what.fresh, clock)
        gateway = ApiGateway(Router([Route("/*", "orders")]), {"orders": orders}, [check], clock=clock)
        users, strangers = Experiment(gateway), Experiment(gateway)
        passed: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        drawn = Random(f"requests {seed}")

        async def send() -> None:
            strange = drawn.random() < what.strangers
            write = drawn.random() < what.writes
            token = f"{'stranger' if strange else 'user'}-{drawn.randrange(what.users)}"
            request = Request("POST" if write else "GET", "/orders", {"authorization": token})
            outcome = await (strangers if strange else users).send(request)
            if what.down[0] <= outcome.sent < what.down[1]:
                kind = "strangers" if strange else "writes" if write else "reads"
                asked[kind] += 1
                passed[kind] += outcome.status == 200

        await open_loop(Steady(what.rate), what.seconds, send, Random(f"arrivals {seed}"))
        return Seen(Trial({"users": users.outcomes}, {}), passed, asked)

    return run(main)


def _knows_users(service: FakeService) -> Handler:
    async def handler(request: Request, context: RequestContext) -> Response:
        response = await service(request, context)
        return response if "/user-" in request.path else Response(404)

    return handler


def _service(name: str, handler: Handler, middleware: Sequence[Middleware], clock: Clock) -> BackendService:
    url = f"in-process://{name}"
    return BackendService(name, [Endpoint(url)], InProcessTransport({url: handler}), middleware=middleware, clock=clock)
