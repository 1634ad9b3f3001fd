from random import Random

from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.failures.laboratory import Flow, Trial, breaker_for, is_good, offered
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import FakeService, Fault, Outcome, VirtualClock, run


def outcome(sent: float, duration: float = 0.1, status: int = 200, flag: str = "-") -> Outcome:
    return Outcome(sent, duration, status, flag, "", 1)


def test_good_is_an_answer_below_400_in_time() -> None:
    assert [is_good(outcome(0, status=status)) for status in (200, 302, 404, 503, 0)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert is_good(outcome(0, 1.0), 1.0)
    assert not is_good(outcome(0, 1.1), 1.0)


def test_a_trial_counts_by_when_requests_were_sent() -> None:
    trial = Trial(
        {"a": [outcome(0), outcome(1, status=503, flag="OM"), outcome(2, 5.0), outcome(3)]}, {"x": [(0, 4), (1, 2)]}
    )
    assert trial.good("a", 1, 3) == 0.5
    assert trial.good("a", 1, 3, within=1) == 0
    assert (trial.failed("a"), trial.failed("a", within=1)) == (1, 2)
    assert trial.flags("a") == {"-": 3, "OM": 1}
    assert trial.most("x") == 4


def both(seed: int) -> Trial:
    async def main() -> Trial:
        services = {
            "quick": FakeService(0.01, workers=9, random=Random(1)),
            "dead": FakeService(0.01, faults=[Fault("refuse", 0)], random=Random(2)),
        }
        router = Router([Route("/quick", "quick"), Route("/dead", "dead", methods=["POST"])])
        gateway = ApiGateway(router, services, clock=VirtualClock())
        flows = {"quick": Flow("/quick", 50), "dead": Flow("/dead", 20, "POST")}
        return await offered(gateway, flows, 10, watch={"busy": lambda: services["quick"].busy}, every=1, seed=seed)

    return run(main)


def test_flows_meet_one_gateway_and_are_told_apart() -> None:
    trial = both(1)
    assert trial.flags("quick").keys() == {"-"}
    assert trial.flags("dead").keys() == {"UF"}
    assert 400 < len(trial.flows["quick"]) < 600
    assert [time for time, _ in trial.series["busy"]] == list(range(10))


def test_the_seed_decides() -> None:
    assert both(1) == both(1)
    assert both(1) != both(2)


def test_the_breaker_opens_when_half_of_ten_have_failed() -> None:
    async def main() -> int:
        breaking = breaker_for("a", VirtualClock(), 5.0)

        async def fails(request: Request, context: RequestContext) -> Response:
            return Response(503)

        for _ in range(10):
            await breaking(Request("GET", "/"), RequestContext(), fails)
        return breaking.opened

    assert run(main) == 1
