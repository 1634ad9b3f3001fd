"""Every number in the documents: what it rests on, and whether it still does.

A figure in the prose of a document explains itself by its form (a status, an RFC, a name such as p99.9), or one line
of `tests/support/claims.py` holds it: a benchmark's record, a line of a notebook, a default of the source, arithmetic
that is done again, or a fact from elsewhere with its source. Whatever is left over makes a test fail here.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter

import pytest

from benchmarks.__main__ import BENCHMARKS
from tests.support.claims import CLAIMS, QUOTATIONS
from tests.support.documents import DOCUMENTS, text
from tests.support.numbers import (
    Claim,
    Finding,
    Quotation,
    Value,
    findings,
    held,
    known,
    numbers,
    quoted,
    record,
    set_in,
    unexplained,
    worked_out,
)

REFRESH = "python -m benchmarks --record"


@functools.cache
def _found() -> tuple[Finding, ...]:
    claimed = [finding for claim in CLAIMS for finding in findings(claim)]
    return (*claimed, *(finding for quotation in QUOTATIONS for finding in quoted(quotation)))


def test_every_figure_is_what_it_was_when_it_was_last_measured_or_worked_out() -> None:
    wrong = [str(finding) for finding in _found() if finding.problems]
    assert not wrong, "sentences to correct:\n" + "\n".join(wrong) + f"\n(a benchmark is run again by: {REFRESH})"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_in_figures_is_unexplained(document: str) -> None:
    covered = [span for finding in _found() if finding.document == document for span in finding.spans]
    left = list(unexplained(document, covered))
    assert not left, (
        "say in tests/support/claims.py what holds these figures (measured, printed, set_in, worked_out, known),"
        " or leave them out:\n" + "\n".join(left)
    )


def test_every_claim_is_made_somewhere_and_once() -> None:
    said = Counter([claim.said for claim in CLAIMS] + [quotation.said for quotation in QUOTATIONS])
    assert [words for words, count in said.items() if count > 1] == []
    unsaid = said.keys() - {finding.said for finding in _found()}
    assert not unsaid, (
        f"in no document any more; mend these lines of tests/support/claims.py, or leave them out: {unsaid}"
    )


@functools.cache
def _shown(notebook: str) -> str:
    """All text of a notebook's cells, what they printed included; words apart by one space, no marks of comments."""
    cells = json.loads(text(f"notebooks/{notebook}.ipynb"))["cells"]
    parts = [part for cell in cells for part in ("".join(cell["source"]), *map(_printed, cell.get("outputs", [])))]
    return " ".join(" ".join(parts).split())


def _printed(output: dict[str, list[str] | dict[str, list[str]]]) -> str:
    data = output.get("data", {})
    plain = data.get("text/plain", []) if isinstance(data, dict) else []
    return "".join([*output.get("text", []), "\n", *plain])


@pytest.mark.parametrize("quotation", QUOTATIONS, ids=lambda quotation: quotation.said)
def test_figures_from_notebooks_are_those_that_are_shown_there(quotation: Quotation) -> None:
    for line in quotation.lines:
        assert line in _shown(quotation.notebook)
    there = numbers(" ".join(quotation.lines))
    assert [figure for figure in numbers(quotation.said) if figure not in there] == []


def test_the_record_is_of_every_benchmark_and_says_where_and_when() -> None:
    assert set(record()) == set(BENCHMARKS)
    for kept in record().values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept["day"])
        assert kept["machine"]["python"]
        assert kept["figures"]


@pytest.mark.parametrize(
    ("document", "said", "holds"),
    [
        ("INTERVIEW.md", "held in an open loop, was missed", "constant rate held" in record()["sustained"]["missed"]),
        ("DESIGN.md", "under load, and no request fails", record()["restarts"]["figures"]["load"]["errors"] == 0),
    ],
    ids=["the bar that was missed", "services killed under load"],
)
def test_what_is_said_without_a_figure_is_so_too(document: str, said: str, holds: bool) -> None:
    assert said in " ".join(text(document).split())
    assert holds, f"{document} says “{said}”; say how it is now, here as well"


@pytest.mark.parametrize(
    ("how", "low", "high", "value", "exact", "expected"),
    [
        ("", "81", "", 81.4, False, True),
        ("", "81", "", 81.6, False, False),
        ("", "12,300", "", 12_349, False, True),
        ("", "12,300", "", 12_360, False, False),
        ("", "100", "", 104, False, True),
        ("", "100", "", 106, False, False),
        ("", "0.4", "", 0.44, False, True),
        ("", "0.4", "", 0.46, False, False),
        ("", "5.0", "", 5.06, False, False),
        ("about", "12,000", "", 13_500, False, True),
        ("about", "12,000", "", 14_500, False, False),
        ("", "6", "8", 8.4, False, True),
        ("", "6", "8", 8.6, False, False),
        ("", "6", "8", 5.4, False, False),
        ("less than", "32", "", 10, False, True),
        ("less than", "32", "", 33, False, False),
        ("more than", "50,000", "", 101_000, False, True),
        ("more than", "50,000", "", 48_000, False, False),
        ("", "10,000", "", 10_001, True, False),
        ("", "10,000", "", 10_000, True, True),
        ("", "50", "150", (50, 150), True, True),
        ("", "50", "140", (50, 150), True, False),
        ("", "fifty-six hundred", "", 5_600, False, True),
        ("", "twenty-one", "", 22, False, False),
        ("", "seventy thousand", "", 70_000, False, True),
        ("", "3.11", "", "3.11", False, True),
        ("", "3.11", "", "3.12", False, False),
    ],
)
def test_a_figure_holds_what_it_is_when_rounded_as_written(
    how: str, low: str, high: str, value: Value, exact: bool, expected: bool
) -> None:
    assert held(how, low, high or None, value, exact=exact) is expected


PAGE = """\
# 45 tests

1. Costs 80 us and
   more (`--rate 5`), answers 404, not
   500 bytes or 200 lines, by RFC 9110 15.2 over HTTP/1.1.

> One of
> twelve is gone, [06 §6](notebooks/06_latency.ipynb).

```python
assert 7 == 7  # 7 of 7

# Measured: 9 bytes.
assert 8 == 8
```
"""


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.numbers.DOCUMENTS", ("PAGE.md",))
    monkeypatch.setattr("tests.support.numbers.text", lambda _: PAGE)


@pytest.mark.usefixtures("page")
def test_what_has_no_form_that_explains_it_is_unexplained() -> None:
    assert list(unexplained("PAGE.md", [])) == [
        "PAGE.md, line 3: 80 in “1. Costs 80 us and”",
        "PAGE.md, line 5: 500 in “500 bytes or 200 lines, by RFC 9110 15.2 over HTTP/1.1.”",
        "PAGE.md, line 5: 200 in “500 bytes or 200 lines, by RFC 9110 15.2 over HTTP/1.1.”",
        "PAGE.md, line 13: 9 in “# Measured: 9 bytes.”",
    ]


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (worked_out("Costs {} us and more", "8 * 10"), []),
        (worked_out("Costs {} us", "9 * 10"), ["PAGE.md, line 3: “Costs 80 us” says 80, but it is 90 (9 * 10)"]),
        (set_in("a.py", "One of {} is gone", 12), []),
        (
            set_in("a.py", "One of {} is", 11),
            ["PAGE.md, line 7: “One of > twelve is” says twelve, but it is 11 (a.py)"],
        ),
        (known("a book", "Measured: {} bytes", 9), []),
        (
            Claim("Costs {} us", lambda: [80], "make bench", beside="make bench"),
            ["PAGE.md, line 3: “Costs 80 us”: its paragraph does not name make bench"],
        ),
    ],
    ids=["right", "wrong", "words over lines", "wrong words", "in a comment", "without its command"],
)
def test_a_claim_is_compared_wherever_it_is_made(claim: Claim, expected: list[str]) -> None:
    found = findings(claim)
    assert found
    assert [str(finding) for finding in found if finding.problems] == expected
