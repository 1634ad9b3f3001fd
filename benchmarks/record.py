"""Record: the figures of a run that documents quote, kept in `benchmarks/results.json`.

Rule: each benchmark has its own entry, with the day, the machine and the options of the run that made it, so that
one benchmark can be measured again alone. An entry is replaced as a whole, and only by a run: nobody edits it.
Figures keep four digits; more would be noise.

What it does not do: judge the figures, or the documents. `tests/test_numbers.py` compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.report import Report

RECORD = Path(__file__).resolve().parent / "results.json"
DIGITS = 4


def entry(report: Report, machine: Machine, day: str, options: Mapping[str, object]) -> dict[str, object]:
    """What is kept of one benchmark."""
    return {
        "title": report.title,
        "day": day,
        "options": dict(options),
        "machine": machine.as_json(),
        "figures": rounded(report.figures),
        "missed": [bar.name for bar in report.bars if not bar.met],
    }


def keep(path: Path, name: str, found: Mapping[str, object]) -> None:
    """Put one entry into the record; the others stay as they are."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entries[name] = found
    path.write_text(json.dumps(entries, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def rounded(value: object) -> object:
    """The same with all fractions cut to `DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value
