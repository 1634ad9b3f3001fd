import json

from benchmarks.report import Bar, Report, table


def test_a_bar_is_met_at_its_limit_and_missed_beyond_it() -> None:
    assert Bar("rate", 0.30, 0.30).met
    assert not Bar("rate", 0.299, 0.30).met
    assert Bar("cost", 15.0, 15.0, at_least=False).met
    assert not Bar("cost", 15.1, 15.0, at_least=False).met


def test_a_bar_says_its_value_its_limit_and_whether_it_is_met() -> None:
    assert str(Bar("gateway / nginx", 0.314, 0.3, unit="x")) == "met    gateway / nginx: 0.314x (at least 0.3x)"
    assert str(Bar("errors", 12345, 0, at_least=False)) == "MISSED errors: 12,345 (at most 0)"


def test_a_table_aligns_names_left_and_numbers_right() -> None:
    assert table(("", "rate"), [["nginx", "50,000"], ["us", "9"]]) == (
        "           rate\n  nginx  50,000\n  us          9"
    )


def test_a_report_shows_table_bars_and_notes() -> None:
    report = Report("proxy", "  the table", bars=[Bar("a", 1, 2)], notes=["nginx is left out"])
    assert str(report) == "proxy\n\n  the table\n\nMISSED a: 1 (at least 2)\n\nnote: nginx is left out"


def test_a_report_survives_json() -> None:
    report = Report("proxy", figures={"rates": {"nginx": 1.5}}, bars=[Bar("a", 3, 2, unit=" ms")], notes=["n"])
    assert json.loads(json.dumps(report.as_json())) == {
        "rates": {"nginx": 1.5},
        "bars": [{"name": "a", "value": 3, "limit": 2, "direction": "at_least", "unit": "ms", "met": True}],
        "notes": ["n"],
    }
