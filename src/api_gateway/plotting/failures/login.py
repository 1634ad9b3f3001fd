"""Login: the service that says who is calling goes down, and with it everything that asks it.

The gateway is built of a configuration, as any other: `auth` with `introspection` (`auth/introspection.py`) before a
service, and the provider that it asks, behind a circuit breaker. Only the two services are simulated.

Rule: an identity is *fresh* for some seconds, and then asked for again. When the provider does not answer, `when_down`
says what an identity that is known, but not fresh, is good for:

| policy | in the configuration | a known identity, not fresh | an unknown one |
|---|---|---|---|
| ask each time | `cache: 0` | nothing is remembered | refused |
| fail closed | `when_down: {read: refuse, write: refuse}` | refused | refused |
| reads only | `when_down: {read: admit_cached, write: refuse}` | may read, may not write | refused |
| known callers | `when_down: {read: admit_cached, write: admit_cached}` | may do anything | refused |

What it does not do: let strangers in. No policy of the gateway does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs

from api_gateway.build import build_gateway
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.failures.laboratory import Trial
from api_gateway.simulation import Experiment, FakeService, Fault, Steady, VirtualClock, open_loop, run

Policy: TypeAlias = Literal["ask each time", "fail closed", "reads only", "known callers"]

_WHEN_DOWN: Mapping[Policy, Mapping[str, str]] = {
    "ask each time": {"read": "refuse", "write": "refuse"},
    "fail closed": {"read": "refuse", "write": "refuse"},
    "reads only": {"read": "admit_cached", "write": "refuse"},
    "known callers": {"read": "admit_cached", "write": "admit_cached"},
}
POLICIES: tuple[Policy, ...] = tuple(_WHEN_DOWN)


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


def guarded(policy: Policy, fresh: float, provider: Handler, service: Handler, random: Random) -> ApiGateway:
    """A gateway that asks `provider` who is calling, before `service`; identities are fresh for `fresh` seconds."""
    introspection = {
        "service": "identity",
        "client_id": "gateway",
        "client_secret": "of no importance here",
        "cache": fresh if policy != "ask each time" else 0,
        "when_down": _WHEN_DOWN[policy],
    }
    return build_gateway(
        {
            "services": {"identity": {"circuit_breaker": {"open_for": "2s", "failure_statuses": ["201-599"]}}},
            "middleware": [{"auth": {"introspection": introspection}}],
            "routes": [{"path": "/*", "service": "orders"}],
        },
        services={"identity": provider, "orders": service},
        clock=VirtualClock(),
        random=random,
    )


def outage(policy: Policy, what: Outage, seed: int = 1) -> Seen:
    """The flow `users` holds the requests of users, without those of strangers."""

    async def main() -> Seen:
        random = Random(seed)
        answers = FakeService(0.005, workers=100, faults=[Fault("refuse", *what.down)], random=random)
        orders = FakeService(0.02, workers=100, random=random)
        gateway = guarded(policy, what.fresh, knows_users(answers), orders, random)
        users, strangers = Experiment(gateway), Experiment(gateway)
        passed: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        drawn = Random(f"requests {seed}")

        async def send() -> None:
            strange = drawn.random() < what.strangers
            write = drawn.random() < what.writes
            token = f"{'stranger' if strange else 'user'}-{drawn.randrange(what.users)}"
            request = Request("POST" if write else "GET", "/orders", {"authorization": f"Bearer {token}"})
            outcome = await (strangers if strange else users).send(request)
            if what.down[0] <= outcome.sent < what.down[1]:
                kind = "strangers" if strange else "writes" if write else "reads"
                asked[kind] += 1
                passed[kind] += outcome.status == 200

        async with gateway:
            await open_loop(Steady(what.rate), what.seconds, send, Random(f"arrivals {seed}"))
        return Seen(Trial({"users": users.outcomes}, {}), passed, asked)

    return run(main)


def knows_users(service: Handler) -> Handler:
    """An identity provider (RFC 7662) in front of `service`: it knows the tokens `user-1`, `user-2` and so on."""

    async def handler(request: Request, context: RequestContext) -> Response:
        asked = parse_qs((await request.read()).decode())
        response = await service(request, context)
        if response.status != 200:
            return response
        await response.close()
        (token,) = asked["token"]
        known = token.startswith("user-")
        return Response.json({"active": True, "sub": token} if known else {"active": False})

    return handler
