import math
from datetime import UTC, datetime

import pytest

from api_gateway.plotting.failures.certificate import Job, around_expiry, date_and_errors, days_left
from tests.support.figures import ys

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_job_that_works_never_lets_it_come_below_its_threshold() -> None:
    left = days_left(Job(breaks=10_000), BEGIN, 400)
    assert (max(left), min(left)) == (90, 30)


def test_a_job_that_is_broken_lets_it_expire_on_its_day() -> None:
    left = days_left(Job(valid=10, renew_at=3, breaks=1), BEGIN, 13)
    assert left == [10 - day for day in range(13)]


def test_an_alarm_repairs_it_in_time() -> None:
    left = days_left(Job(breaks=70, alarm_at=21, repair=3), BEGIN, 300)
    assert min(left) == 21 - 3
    assert left[-1] > 0


def test_open_connections_go_on_and_new_ones_fail() -> None:
    felt = around_expiry(BEGIN, clients=1000, lifetime=20.0, before=10, seconds=60)
    assert max(felt.failed[:10]) == 0
    for second in (5, 20, 40):
        expected = 1 - math.exp(-(second + 0.5) / 20)
        assert felt.failed[10 + second] == pytest.approx(expected, abs=0.04)


def test_a_renewed_certificate_is_not_noticed() -> None:
    assert max(around_expiry(BEGIN, clients=50, seconds=40, renewed=True).failed) == 0


def test_dates_to_the_left_and_errors_to_the_right() -> None:
    calendars = {"ill": [3.0, 2.0, 1.0, 0.0, -1.0], "well": [3.0, 2.0, 3.0, 2.0, 3.0]}
    minutes = {
        "ill": around_expiry(BEGIN, clients=10, before=2, seconds=6),
        "well": around_expiry(BEGIN, clients=10, before=2, seconds=6, renewed=True),
    }
    figure, fewest = date_and_errors(calendars, minutes, 1, "H")
    assert fewest == {"ill": -1, "well": 2}
    months, instant = figure.axes
    assert [ys(line) for line in months.lines[:2]] == list(calendars.values())
    assert [ys(line) for line in instant.lines[:2]] == [
        [100 * share for share in one.failed] for one in minutes.values()
    ]
    assert [text.get_text() for text in months.texts] == ["ill: expired", "well: 2 days left", "alarm below 1"]
