"""HTTP dates: read in any of three forms, written in one.

    Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate, the only one that is written
    Sunday, 06-Nov-94 08:49:37 GMT     RFC 850
    Sun Nov  6 08:49:37 1994           asctime

Rule: letters of either case, everything else exact. A zone other than GMT, a missing comma, one digit too few: not a
date, and for `Expires` that means long ago. The name of the weekday is not compared with the date. A year of two
digits more than 50 years ahead is in the century before.

Cost: 3 us to read one, only when an answer comes or a client sends `If-Modified-Since`.

Source: RFC 9110 section 5.6.7; RFC 9111 section 4.2 (either case, GMT alone).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>\d\d) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} GMT",
        rf"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} GMT",
        rf"(?:mon|tue|wed|thu|fri|sat|sun) (?P<month>[a-z]{{3}}) (?P<day>\d\d| \d) {_TIME} (?P<year>\d{{4}})",
    )
)
_YEAR = 365.2425 * 86_400  # seconds
FIXDATE_LENGTH = len("Sun, 06 Nov 1994 08:49:37 GMT")
"""No other form is as long; its year has four digits."""
_LONGEST = len("Wednesday, 06-Nov-94 08:49:37 GMT")


def parse_http_date(value: str, now: float) -> float | None:
    """Seconds since 1970, or None if `value` is not a date; `now` places years of two digits."""
    text = value.strip(" \t")
    return _parsed(text, int(now // _YEAR)) if len(text) <= _LONGEST else None


def http_date(seconds: float) -> str:
    """`seconds` since 1970 as an IMF-fixdate."""
    return formatdate(int(seconds), usegmt=True)


@lru_cache(maxsize=256)
def _parsed(text: str, years: int) -> float | None:
    # Cached, because the answers of one second have the same Date, and of one file the same Last-Modified.
    for form in _FORMS:
        match = form.fullmatch(text)
        if match:
            return _seconds(match, 1970 + years)
    return None


def _seconds(match: re.Match[str], this_year: int) -> float | None:
    month = _MONTHS.get(match["month"].lower())
    if month is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += this_year // 100 * 100
        if year > this_year + 50:
            year -= 100
    second = min(int(match["second"]), 59) if match["second"] == "60" else int(match["second"])
    try:
        moment = datetime(year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()
