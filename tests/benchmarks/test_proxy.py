import pytest

from benchmarks.proxy import ratios, summarize
from benchmarks.report import Report
from benchmarks.wrk import Load


def load(rate: float, errors: int = 0, cpu: float | None = None) -> Load:
    return Load(rate, 0.001, 0.002, 0.003, int(rate), errors, cpu)


def test_a_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    measured = {
        "gateway": [load(10), load(40), load(90)],
        "nginx": [load(100), load(100), load(100)],
        "aiohttp": [load(10), load(10), load(90)],  # a noisy minute hit both in the last round
    }
    assert ratios(measured) == {"nginx": pytest.approx(0.4), "aiohttp": pytest.approx(1.0)}


def test_without_the_gateway_there_are_no_ratios() -> None:
    assert ratios({"nginx": [load(100)]}) == {}


def test_a_contender_that_answered_nothing_has_no_ratio() -> None:
    assert ratios({"gateway": [load(10)], "nginx": [load(0)]}) == {}


def test_the_bars_are_those_of_the_contenders_that_ran() -> None:
    report = Report("proxy")
    summarize(report, {"gateway": [load(30, errors=1)], "nginx": [load(100)], "direct": [load(200)]})
    assert [(bar.name, bar.met) for bar in report.bars] == [("gateway / nginx", True), ("gateway errors", False)]
    assert report.bars[0].value == pytest.approx(0.3)


def test_the_table_shows_medians_and_the_sum_of_errors() -> None:
    report = Report("proxy")
    summarize(report, {"gateway": [load(1000, 1, 50e-6), load(3000, 2, 70e-6), load(2000, 4, 60e-6)]})
    assert report.table.splitlines()[1].split() == ["gateway", "2,000", "1.00", "2.00", "7", "60.0"]


def test_figures_keep_every_round() -> None:
    report = Report("proxy")
    summarize(report, {"gateway": [load(1), load(2)]})
    rounds = report.figures["rounds"]
    assert isinstance(rounds, dict)
    assert [measured["rate"] for measured in rounds["gateway"]] == [1, 2]
