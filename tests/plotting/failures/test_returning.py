import pytest

from api_gateway.plotting.failures.laboratory import Trial
from api_gateway.plotting.failures.returning import ENDPOINTS, Death, noticed, returning
from api_gateway.simulation import Outcome

DEATH = Death(gone=(4.0, 12.0), rate=100.0, seconds=26.0)


def test_without_anybody_who_looks_one_in_four_fails() -> None:
    trial = returning(DEATH)
    assert 1 - trial.good("orders", *DEATH.gone) == pytest.approx(1 / ENDPOINTS, rel=0.02)
    assert trial.good("orders", 0, 4) == trial.good("orders", 12, 26) == 1


def test_outlier_detection_pays_five_errors_for_each_try() -> None:
    assert noticed(returning(DEATH, ["outlier detection"]), DEATH).failed == 10


def test_a_check_is_done_with_it_after_two_failures() -> None:
    assert noticed(returning(DEATH, ["health check"]), DEATH).last_failure < 2 * 1.1 + 0.5


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_together_nobody_notices_and_it_comes_back_slowly(method: str) -> None:
    death = DEATH._replace(method=method)
    trial = returning(death, ["health check", "outlier detection", "retry", "slow start"])
    notice = noticed(trial, death)
    assert notice.failed == 0
    assert notice.back <= 3.3
    assert notice.share_at_first < 0.1
    last = [rate for time, rate in trial.series["asked"] if time >= 24]
    assert sum(last) / len(last) == pytest.approx(25, rel=0.25)


def test_what_is_noticed_is_counted_from_the_death_and_from_the_return() -> None:
    death = Death(gone=(1.0, 2.0), rate=10.0, seconds=4.0)
    outcomes = [Outcome(1.0, 0, 200, "-", "", 1), Outcome(1.5, 0, 502, "UF", "", 1)]
    asked = [(0.0, 10.0), (0.5, 10.0), (1.0, 4.0), (1.5, 0.0), (2.0, 0.0), (2.5, 1.0), (3.0, 3.0), (3.5, 2.0)]
    notice = noticed(Trial({"orders": outcomes}, {"asked": asked}), death)
    assert notice == (1, 0.5, 2, 0.5, 0.2)
