import math

import pytest

from api_gateway.plotting.defaults_museum import exhibition, presets
from api_gateway.plotting.defaults_museum.exhibition import (
    HANGS,
    ONE_DEAD,
    PATIENCE,
    RATE,
    SECONDS,
    SLOW,
    Visit,
    verdict_of,
    visit,
)
from api_gateway.simulation import Outcome
from tests.support.museum import visited


def before_nginx() -> Visit:
    return visited(presets.NGINX, ONE_DEAD)


SENT = [number / 10 for number in range(SECONDS * 10)]


def made(bad: range, calls: dict[int, int], outage: exhibition.Outage = HANGS) -> Visit:
    """Ten requests a second, which fail in some seconds, and so many calls in some."""
    outcomes = [Outcome(sent, 0.5, 504 if int(sent) in bad else 200, "-", "", 1) for sent in SENT]
    return Visit(outage, outcomes, [calls.get(second, 50) for second in range(SECONDS)])


def test_a_visit_is_the_same_each_time_and_two_presets_meet_the_same_arrivals() -> None:
    assert visit(presets.NGINX, ONE_DEAD) == before_nginx()
    other = visited(presets.KONG, ONE_DEAD)
    assert [one.sent for one in other.outcomes] == pytest.approx([one.sent for one in before_nginx().outcomes])


def test_the_report_of_a_made_up_visit() -> None:
    report = made(range(20, 60), dict.fromkeys(range(23, 50), 5)).report()
    assert report.spared == 3
    assert report.failed == 400
    assert report.calls == 3 * 50 + 27 * 5
    assert report.recovered == 10
    assert report.mean == 0.5


def test_who_is_never_spared_and_who_never_recovers() -> None:
    report = made(range(20, SECONDS), {}).report()
    assert report.spared is None
    assert report.recovered == math.inf
    assert made(range(20, 30), {}).report().recovered == 0


def test_what_a_client_makes_of_an_outcome() -> None:
    assert verdict_of(Outcome(0, 1.0, 200, "-", "", 1)) == "good"
    assert verdict_of(Outcome(0, 1.1, 200, "-", "", 1)) == "late"
    assert {verdict_of(Outcome(0, 0.1, status, "-", "", 1)) for status in (0, 502, 503, 504)} == {"failed"}


def test_every_request_has_one_verdict() -> None:
    seen = visited(presets.OPOSSUM, SLOW)
    counted = [sum(seen.verdicts(verdict)) for verdict in ("good", "late", "failed")]
    assert sum(counted) == len(seen.outcomes) == pytest.approx(RATE * SECONDS, rel=0.05)
    assert min(counted) > 0


def test_without_a_timeout_a_client_leaves_and_the_breaker_does_not_know() -> None:
    seen = visited(presets.TRAEFIK, HANGS)
    hung = [one for one in seen.outcomes if one.status == 0]
    assert {round(one.duration, 6) for one in hung} == {PATIENCE}
    assert seen.report().spared is None


def test_a_breaker_spares_the_service_and_outlives_the_outage() -> None:
    report = visited(presets.RESILIENCE4J, HANGS).report()
    assert report.calls < 200
    assert 25 < report.recovered < 40
    assert report.mean < 1


def test_one_dead_endpoint_is_no_failure_for_those_who_ask_the_next() -> None:
    nginx, kong = before_nginx().report(), visited(presets.KONG, ONE_DEAD).report()
    assert nginx.failed == kong.failed == 0
    assert nginx.calls == 3 < 300 < kong.calls
