import argparse
import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import record
from benchmarks.machine import Machine
from benchmarks.report import Bar, NotMeasuredError, Report


def finds(report: Report) -> command.Benchmark:
    def benchmark(machine: Machine, options: argparse.Namespace) -> Report:
        return report

    return benchmark


def breaks(error: Exception) -> command.Benchmark:
    def benchmark(machine: Machine, options: argparse.Namespace) -> Report:
        raise error

    return benchmark


def replaced(monkeypatch: pytest.MonkeyPatch, **benchmarks: command.Benchmark) -> None:
    monkeypatch.setattr(command, "BENCHMARKS", benchmarks)


def test_all_run_are_printed_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(
        monkeypatch,
        router=finds(Report("first", figures={"cost": 1.5}, bars=[Bar("cost", 1.5, 2)])),
        proxy=finds(Report("second", bars=[Bar("rate", 3, 2)])),
    )
    output = tmp_path / "new" / "bench.json"
    assert command.main(["--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert printed.index("first") < printed.index("second")
    assert "1 of 2 bars met" in printed
    written = json.loads(output.read_text())
    assert written["router"]["cost"] == 1.5
    assert written["machine"]["pinned"] == bool(Machine.detect().cores)


def test_one_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replaced(monkeypatch, router=finds(Report("router")), proxy=breaks(AssertionError()))
    assert command.main(["router", "--output", str(tmp_path / "bench.json")]) == 0


def test_what_cannot_be_measured_is_said_and_the_rest_still_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = breaks(NotMeasuredError("gateway ended with code 1: no such setting"))
    replaced(monkeypatch, router=broken, proxy=finds(Report("second")))
    assert command.main(["--output", str(tmp_path / "bench.json")]) == 1
    printed = capsys.readouterr().out
    assert "note: gateway ended with code 1: no such setting" in printed
    assert "second" in printed


def test_the_record_has_what_was_measured_and_keeps_what_was_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(record, "RECORD", tmp_path / "results.json")
    output = ["--output", str(tmp_path / "bench.json")]
    replaced(monkeypatch, router=finds(Report("router", figures={"us": 1})), proxy=breaks(NotMeasuredError("no wrk")))
    assert command.main([*output, "--seconds", "2", "--record"]) == 1
    replaced(monkeypatch, router=finds(Report("router", figures={"us": 2})))
    assert command.main(output) == 0
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept.keys() == {"router"}
    assert kept["router"]["figures"] == {"us": 1}
    assert kept["router"]["options"] == {"seconds": 2}


@pytest.mark.parametrize("arguments", [["--only", "nginx,apache"], ["--rounds", "0"], ["--seconds", "x"], ["speed"]])
def test_a_wrong_argument_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        command.main(arguments)
    assert refusal.value.code == 2
    assert "error:" in capsys.readouterr().err
