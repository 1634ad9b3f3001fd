import asyncio

import pytest

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.plotting.failures.login import (
    POLICIES,
    AuthUnavailable,
    Outage,
    Policy,
    TokenCheck,
    Unauthenticated,
    outage,
)
from api_gateway.simulation import VirtualClock, run

SHORT = Outage(down=(8.0, 20.0), users=40, rate=60.0, fresh=4.0, seconds=24.0)


def ask(policy: Policy, method: str, token: str, *, known: bool) -> str:
    """What becomes of a request while the auth service is down; `known` was seen before, and is not fresh."""

    async def main() -> str:
        down = False

        async def auth(request: Request, context: RequestContext) -> Response:
            if down:
                raise ConnectFailed("refused")
            return Response(200 if "/user" in request.path else 404)

        check = TokenCheck(auth, policy, 0.0, VirtualClock())
        request = Request(method, "/", {"authorization": token})
        if known:
            await check(request, RequestContext(), service)
        down = True
        try:
            context = RequestContext()
            await check(request, context, service)
        except AuthUnavailable:
            return "503"
        assert context.identity is not None
        assert context.identity.subject == token
        return "passed"

    return run(main)


@pytest.mark.parametrize(
    ("policy", "reads", "writes", "stranger"),
    [
        ("ask each time", "503", "503", "503"),
        ("fail closed", "503", "503", "503"),
        ("reads only", "passed", "503", "503"),
        ("fail open", "passed", "passed", "passed"),
    ],
)
def test_a_policy_is_its_row_of_the_table(policy: Policy, reads: str, writes: str, stranger: str) -> None:
    assert ask(policy, "GET", "user-1", known=True) == reads
    assert ask(policy, "POST", "user-1", known=True) == writes
    assert ask(policy, "GET", "user-2", known=False) == stranger


async def service(request: Request, context: RequestContext) -> Response:
    return Response(200)


def test_a_fresh_identity_is_not_asked_for_again() -> None:
    async def main() -> list[float]:
        loop, asked = asyncio.get_running_loop(), []

        async def auth(request: Request, context: RequestContext) -> Response:
            asked.append(loop.time())
            return Response(200)

        check = TokenCheck(auth, "reads only", 10.0, VirtualClock())
        for _ in range(5):
            await check(Request("GET", "/", {"authorization": "user-1"}), RequestContext(), service)
            await asyncio.sleep(4)
        return asked

    assert run(main) == [0, 12]


def test_who_was_revoked_while_it_could_be_seen_does_not_read_afterwards() -> None:
    async def main() -> None:
        says: list[int | None] = [200, 401, None]

        async def auth(request: Request, context: RequestContext) -> Response:
            status = says.pop(0)
            if status is None:
                raise ConnectFailed("refused")
            return Response(status)

        check, request = TokenCheck(auth, "reads only", 0.0, VirtualClock()), Request("GET", "/")
        await check(request, RequestContext(), service)
        with pytest.raises(Unauthenticated):
            await check(request, RequestContext(), service)
        with pytest.raises(AuthUnavailable):
            await check(request, RequestContext(), service)

    run(main)


def test_in_an_outage_reads_go_on_and_strangers_stay_out() -> None:
    seen = {policy: outage(policy, SHORT) for policy in POLICIES}
    assert seen["ask each time"].share("reads") == 0
    assert seen["reads only"].share("reads") == 1
    assert seen["reads only"].share("strangers") == seen["fail closed"].share("strangers") == 0
    assert seen["fail open"].share("strangers") == 1
    assert 0 < seen["fail closed"].share("reads") < SHORT.fresh / 12
    assert {outcome.flag for outcome in seen["reads only"].trial.flows["users"]} == {"-", "UAEX"}


def test_before_and_after_everybody_gets_in() -> None:
    users = outage("ask each time", SHORT).trial.flows["users"]
    calm = [outcome.status for outcome in users if outcome.sent < 8 or outcome.sent > 22.5]
    assert set(calm) == {200}
