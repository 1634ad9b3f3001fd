import json
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.record import entry, keep, rounded
from benchmarks.report import Bar, Report

REPORT = Report("cost: of five", figures={"us": 1.23456}, bars=[Bar("cost", 1.2, 1, at_least=False), Bar("rate", 3, 2)])


def test_an_entry_says_what_was_measured_where_when_and_how() -> None:
    kept = entry(REPORT, Machine(cores=(0, 1)), "2026-03-01", {"quick": True})
    assert kept.pop("machine") == Machine(cores=(0, 1)).as_json()
    assert kept == {
        "title": "cost: of five",
        "day": "2026-03-01",
        "options": {"quick": True},
        "figures": {"us": 1.235},
        "missed": ["cost"],
    }


def test_one_entry_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    keep(path, "router", {"us": 1, "old": True})
    keep(path, "proxy", {"rate": 2})
    keep(path, "router", {"us": 3})
    assert json.loads(path.read_text()) == {"proxy": {"rate": 2}, "router": {"us": 3}}


def test_fractions_keep_four_digits_at_any_depth() -> None:
    found = {"rate": 12_345.678, "rounds": [{"p99": 0.000123456, "errors": 0}], "name": "x", "none": None}
    assert rounded(found) == {
        "rate": 12_350.0,
        "rounds": [{"p99": 0.0001235, "errors": 0}],
        "name": "x",
        "none": None,
    }
