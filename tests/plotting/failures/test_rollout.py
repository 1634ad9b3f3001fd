import pytest

from api_gateway.plotting.failures.rollout import Fleet, Stage, check, expected_errors, rollout

USERS = {"path": "/api/users/*", "service": "user-service"}
RIGHT = {"routes": [{"path": "/api/orders/*", "service": "order-service"}, USERS]}
WRONG = {"routes": [{"path": "/api/orders/*", "service": "user-service"}, USERS]}
FLEET = Fleet(begins=2.0, seconds=30.0, going_back=5.0)


def test_check_is_the_real_one() -> None:
    code, said = check("routes: [{path: /a, service: b}]\n")
    assert code == 1
    assert said.startswith("gateway.yaml:1:30: service 'b' is not defined")
    good = "services: {b: {endpoints: [http://127.0.0.1:1]}}\nroutes: [{path: /a, service: b}]\n"
    assert check(good, "shop.yaml") == (0, "shop.yaml: ok, 1 route, 1 service")


@pytest.mark.parametrize("gateways", [20, 4])
def test_as_many_requests_meet_it_as_arithmetic_says(gateways: int) -> None:
    rolled = rollout(FLEET, RIGHT, WRONG, [Stage(gateways, 20.0)])
    assert rolled.most == gateways
    assert rolled.failed == pytest.approx(expected_errors(FLEET, gateways), rel=0.2)
    assert {outcome.status for outcome in rolled.outcomes} == {200, 404}
    assert max(outcome.sent for outcome in rolled.outcomes if outcome.status == 404) < 2 + rolled.seen + 5


def test_who_watches_for_too_short_a_time_sees_it_in_a_later_stage() -> None:
    assert rollout(FLEET, RIGHT, WRONG, [Stage(1, 1.0), Stage(20, 20.0)]).most == 20


def test_what_is_right_stays() -> None:
    rolled = rollout(FLEET, RIGHT, RIGHT, [Stage(1, 3.0), Stage(20, 3.0)])
    assert (rolled.failed, rolled.most, rolled.seen) == (0, 20, FLEET.seconds)
