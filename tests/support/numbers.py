"""Numbers in documents: which explain themselves by their form, and what holds each of the others.

Rule: a figure is held by a `Claim`: the words around it, with `{}` where it stands, and the values that belong there.
A claim is sought in every document, comments of Python blocks included, and each place where it is found is compared.
A figure holds a value that it is when rounded as written (at least to two digits); "about" allows 15 % either way;
"4 to 6" holds what is between; "at most" and "at least" mean what they say. Words such as "seven" are figures as well.

What it does not do: ask about numbers in words that no claim names, nor about code, links, headings and list numbers.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.support.documents import DOCUMENTS, ROOT, blocks, text

RECORD = ROOT / "benchmarks" / "results.json"
ABOUT = 0.15
"""How far off, at most, what is said to be "about" so much may be."""

Figures = Mapping[str, Any]
Value = float | str | Sequence[float]
"""What a figure must hold; of a sequence, each; a text, to the letter."""

_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
]  # fmt: skip
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_WORDS = {word: number for number, word in enumerate(_UNITS)} | _TENS
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_WORD = rf"(?:{'|'.join(sorted({*_WORDS, *_SCALES}, key=len, reverse=True))})\b"
_DIGITS = r"\d+(?:,\d{3})*(?:\.\d+)*"
_NUMBER = rf"(?:{_DIGITS}|{_WORD}(?:[- ]{_WORD})*)"
_HOW = "about|some|nearly|less than|at most|up to|under|more than|at least|over"
_FIGURE = rf"(?:(?P<how>{_HOW})\s)?(?<![\w.,])(?P<low>{_NUMBER})(?:(?:\sto\s|[-\u2013])(?P<high>{_NUMBER}))?"
_GAP = r"[\s>#]+"  # a line may begin with the mark of a quotation or of a comment

_UNIT = r"(?:%|/s|us\b|ms\b|s\b|[kKMG]i?B|bytes|requests|errors|failed|calls|hits|times|a second|to \d|\$)"
_STATUSES = "|".join(str(int(status)) for status in HTTPStatus if status >= 200 and status % 100)
_EXPLAINED = re.compile(
    rf"""
      ^```[\w-]*\n.*?^```$                      # a code block: run, read or loaded by tests of its own
    | `[^`\n]+`                                 # code
    | (?<=\])\([^)\s]+\)                        # where a link leads
    | \[[^\]]*\](?=\([^)\s]+\.ipynb\))          # a section of a notebook: there is a test that it is there
    | ^\#[^\n]*$ | ^\ *\d+\.\ (?=\S)            # a heading, a number of a list
    | \[\d\] | \bstrokes?\ \d(?:\ to\ \d)?      # a stroke of the drawing
    | ^\|\ \d+\u2013\d+\ \|                     # minutes of the interview: there is a test that they add up
    | \bRFC\ \d+(?:,?\ section)?(?:\ \d+(?:\.\d+)*)?
    | \bHTTP/\d(?:\.\d)?
    | \b[A-Za-z_]\w*\d[\w.]*\b                  # a name: p99.9, ES256, L4, Q26
    | \b[1-5]xx\b | (?<![\w.,$])(?:{_STATUSES}|[245]00(?!\ \w+s\b))\b(?![.,]\d|\ ?{_UNIT})
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Claim:
    """What documents say, and what must be there instead of each `{}`."""

    said: str
    values: Callable[[], Sequence[Value]]
    source: str
    """For the message: what says so, or how to find it again."""
    beside: str = ""
    """What the paragraph must hold: a command, a link. A pattern."""
    exact: bool = False
    """Whether the figure must be the value, and not only round to it."""


def measured(said: str, benchmark: str, values: Callable[[Figures], Sequence[Value]]) -> Claim:
    """Figures of the record; the paragraph names the command, or leads to where it is named."""
    beside = rf"benchmarks\s+{re.escape(benchmark)}\b|#the-numbers\)|\]\(INTERVIEW\.md#q\d+-|\]\(#q\d+-"
    command = f"python -m benchmarks {benchmark}"

    def recorded() -> Sequence[Value]:
        try:
            return values(record()[benchmark]["figures"])
        except KeyError as missing:
            raise AssertionError(f"the record has no {missing} for “{said}”: {command} --record") from None

    return Claim(said, recorded, command, beside)


def worked_out(said: str, *expressions: str) -> Claim:
    """Python, with the names that the Python blocks of INTERVIEW.md define."""
    return Claim(said, lambda: [eval(one, dict(arithmetic())) for one in expressions], ", ".join(expressions))


def set_in(where: str, said: str, *values: Value) -> Claim:
    """Defaults and constants; `where` is for the message, `values` are taken from there."""
    return Claim(said, lambda: values, where, exact=True)


def known(source: str, said: str, *values: Value) -> Claim:
    """A fact from elsewhere, and where it is written."""
    return Claim(said, lambda: values, source, exact=True)


@dataclass(frozen=True)
class Quotation:
    """Words with figures, the notebook that they are from, and what stands there: printed, or in a cell."""

    said: str
    notebook: str
    lines: tuple[str, ...]


def printed(said: str, notebook: str, *lines: str) -> Quotation:
    """Figures that a notebook shows; it is deterministic, so they are written out on both sides."""
    return Quotation(said, notebook, lines)


@dataclass(frozen=True)
class Finding:
    """A place in a document where a claim is found."""

    said: str
    document: str
    start: int
    end: int
    spans: tuple[tuple[int, int], ...]
    """Of the figures."""
    problems: tuple[str, ...]

    def __str__(self) -> str:
        line = text(self.document).count("\n", 0, self.start) + 1
        return f"{self.document}, line {line}: {'; '.join(self.problems)}"


@functools.cache
def record() -> Mapping[str, Mapping[str, Any]]:
    """The last run that was kept, by benchmark."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


@functools.cache
def arithmetic() -> Mapping[str, object]:
    """All names that the Python blocks of INTERVIEW.md define."""
    names: dict[str, object] = {}
    for block in blocks("INTERVIEW.md", "python"):
        exec(block, names)
    return names


def findings(claim: Claim) -> list[Finding]:
    """Every place where it is said, with what is wrong there."""
    pattern, values = _pattern(claim.said), claim.values()
    assert len(values) == claim.said.count("{}"), f"{claim.said}: so many values as figures, please"
    return [
        _finding(document, found, claim, values) for document in DOCUMENTS for found in pattern.finditer(text(document))
    ]


def quoted(quotation: Quotation) -> list[Finding]:
    """Every place where a quotation stands."""
    found = [(document, place) for document in DOCUMENTS for place in _pattern(quotation.said).finditer(text(document))]
    beside = rf"\(notebooks/{quotation.notebook}\.ipynb\)|\]\(#q\d+-"
    return [
        Finding(
            quotation.said,
            document,
            place.start(),
            place.end(),
            (place.span(),),
            _missing(document, place, beside, quotation.notebook),
        )
        for document, place in found
    ]


def numbers(words: str) -> list[float]:
    """All figures in digits, without names such as p99."""
    return [_value(found["low"]) for found in re.finditer(rf"(?<![\w.,])(?P<low>{_DIGITS})(?!\w)", words)]


def unexplained(document: str, covered: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Every figure of a document that neither its form nor a claim explains, with its line."""
    written = text(document)
    free = _EXPLAINED.sub(lambda found: _kept(found[0]), written)
    for found in re.finditer(r"\d+(?:[.,]\d+)*", free):
        if not any(start <= found.start() < end for start, end in covered):
            number = written.count("\n", 0, found.start()) + 1
            yield f"{document}, line {number}: {found[0]} in “{written.splitlines()[number - 1].strip()}”"


def _kept(explained: str) -> str:
    """Blanks, of the same length; of a code block, those comments are left that say what was measured."""
    if not explained.startswith("```python"):
        return re.sub(r"\S", " ", explained)
    comments = re.split(r"((?:^#.*\n)+)", explained, flags=re.MULTILINE)
    return "".join(
        part if index % 2 and "Measured" in part else re.sub(r"\S", " ", part) for index, part in enumerate(comments)
    )


def _pattern(said: str) -> re.Pattern[str]:
    parts = [re.sub(r"(?:\\ )+", lambda _: _GAP, re.escape(part)) for part in said.split("{}")]
    whole = parts[0]
    for index, part in enumerate(parts[1:]):
        whole += re.sub(r"\?P<(\w+)>", rf"?P<\g<1>{index}>", _FIGURE) + part
    return re.compile(whole + r"(?![\w])", re.IGNORECASE)


def _finding(document: str, found: re.Match[str], claim: Claim, values: Sequence[Value]) -> Finding:
    problems, spans = [], []
    for index, value in enumerate(values):
        how, low, high = (found[f"{part}{index}"] for part in ("how", "low", "high"))
        spans.append((found.start(f"low{index}"), found.end(f"high{index}") if high else found.end(f"low{index}")))
        if not held(how, low, high, value, exact=claim.exact):
            said = " ".join(part for part in (how, low, high and f"to {high}") if part)
            problems.append(f"“{' '.join(found[0].split())}” says {said}, but it is {shown(value)} ({claim.source})")
    problems += _missing(document, found, claim.beside, claim.source)
    return Finding(claim.said, document, found.start(), found.end(), tuple(spans), tuple(problems))


def _missing(document: str, found: re.Match[str], beside: str, source: str) -> tuple[str, ...]:
    written = text(document)
    begin, end = written.rfind("\n\n", 0, found.start()) + 1, written.find("\n\n", found.end())
    if not beside or re.search(beside, written[begin : end if end >= 0 else None]):
        return ()
    return (f"“{' '.join(found[0].split())}”: its paragraph does not name {source}",)


def held(how: str | None, low: str, high: str | None, value: Value, *, exact: bool = False) -> bool:
    """Whether what is written holds a value."""
    if isinstance(value, str):
        return low == value
    if isinstance(value, Sequence):
        return all(held(how, low, high, one, exact=exact) for one in value)
    how = (how or "").lower()
    least, most = _value(low), _value(high or low)
    below, above = (0.0, 0.0) if exact else (_half(low), _half(high or low))
    if how in {"about", "some", "nearly"}:
        below, above = max(below, ABOUT * least), max(above, ABOUT * most)
    slack = 1e-9 * max(abs(least), abs(most))
    not_less = how in {"less than", "at most", "up to", "under"} or value >= least - below - slack
    not_more = how in {"more than", "at least", "over"} or value <= most + above + slack
    return not_less and not_more


def _half(written: str) -> float:
    """Half of one in the last digit that counts: the last after a point, or the last before zeros, but two at least."""
    if "." in written:
        return 0.5 / 10.0 ** len(written.rpartition(".")[2])
    digits = f"{_value(written):.0f}"
    zeros = min(len(digits) - len(digits.rstrip("0")), len(digits) - 2)
    return 0.5 * 10.0 ** max(0, zeros)


def _value(written: str) -> float:
    """What digits or words say."""
    if written[0].isdigit():
        return float(written.replace(",", ""))
    whole, part = 0.0, 0.0
    for word in re.split(r"[- ]", written.lower()):
        if word not in _SCALES:
            part += _WORDS[word]
        elif word == "hundred":
            part = (part or 1) * 100
        else:
            whole, part = whole + (part or 1) * _SCALES[word], 0.0
    return whole + part


def shown(value: Value) -> str:
    """A value, for a message."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return f"{shown(min(value))} to {shown(max(value))}"
    return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
