import asyncio
from functools import cache
from random import Random

import pytest

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.plotting.failures.login import POLICIES, Outage, Policy, Seen, guarded, knows_users, outage
from api_gateway.simulation import run

SHORT = Outage(down=(8.0, 20.0), users=40, rate=60.0, fresh=4.0, seconds=24.0)


async def service(request: Request, context: RequestContext) -> Response:
    return Response(200)


class Provider:
    """Knows users; may be down."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[float] = []
        self._answer = knows_users(service)

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked.append(asyncio.get_running_loop().time())
        if self.down:
            raise ConnectFailed("refused")
        return await self._answer(request, context)


def ask(policy: Policy, method: str, token: str, *, known: bool) -> int:
    """The status of a request while the provider is down; `known` was seen before, and is not fresh."""

    async def main() -> int:
        provider = Provider()
        request = Request(method, "/", {"authorization": f"Bearer {token}"})
        async with guarded(policy, 1.0, provider, service, Random(1)) as gateway:
            if known:
                assert (await gateway.handle(request)).status == 200
            await asyncio.sleep(2)
            provider.down = True
            return (await gateway.handle(request)).status

    return run(main)


@pytest.mark.parametrize(
    ("policy", "reads", "writes", "stranger"),
    [
        ("ask each time", 503, 503, 503),
        ("fail closed", 503, 503, 503),
        ("reads only", 200, 503, 503),
        ("known callers", 200, 200, 503),
    ],
)
def test_a_policy_is_its_row_of_the_table(policy: Policy, reads: int, writes: int, stranger: int) -> None:
    assert ask(policy, "GET", "user-1", known=True) == reads
    assert ask(policy, "POST", "user-1", known=True) == writes
    assert ask(policy, "GET", "user-2", known=False) == stranger


def asked_at(policy: Policy) -> list[float]:
    """When the provider is asked about one caller, who comes every 4 s, five times."""

    async def main() -> list[float]:
        provider = Provider()
        async with guarded(policy, 10.0, provider, service, Random(1)) as gateway:
            for _ in range(5):
                await gateway.handle(Request("GET", "/", {"authorization": "Bearer user-1"}))
                await asyncio.sleep(4)
        return provider.asked

    return run(main)


def test_a_fresh_identity_is_not_asked_for_again() -> None:
    assert asked_at("reads only") == [0, 12]
    assert asked_at("ask each time") == [0, 4, 8, 12, 16]


def test_the_provider_knows_users_and_nobody_else() -> None:
    assert ask_calmly("user-7") == 200
    assert ask_calmly("stranger-7") == 401


def ask_calmly(token: str) -> int:
    async def main() -> int:
        async with guarded("reads only", 1.0, Provider(), service, Random(1)) as gateway:
            return (await gateway.handle(Request("GET", "/", {"authorization": f"Bearer {token}"}))).status

    return run(main)


@cache
def short_outage(policy: Policy) -> Seen:
    return outage(policy, SHORT)


def test_in_an_outage_reads_go_on_and_strangers_stay_out() -> None:
    seen = {policy: short_outage(policy) for policy in POLICIES}
    assert seen["ask each time"].share("reads") == 0
    assert seen["reads only"].share("reads") == seen["known callers"].share("writes") == 1
    assert {seen[policy].share("strangers") for policy in POLICIES} == {0}
    assert 0 < seen["fail closed"].share("reads") < SHORT.fresh / 12
    assert {outcome.flag for outcome in seen["reads only"].trial.flows["users"]} == {"-", "UAEX"}


def test_before_and_after_everybody_gets_in() -> None:
    users = short_outage("ask each time").trial.flows["users"]
    calm = [outcome.status for outcome in users if outcome.sent < 8 or outcome.sent > 22.5]
    assert set(calm) == {200}
