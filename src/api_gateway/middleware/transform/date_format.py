"""Date format: a point in time as people write it, the same on every machine.

Rule: `strftime`'s letters, from a table of ours: `%-d` (no zero in front) is not there on every system, and the
names of months follow a server's locale. They are English. Times are read as RFC 3339 or ISO 8601 write them, with
the date alone, or without seconds or offset, too; they are written as they were read: no zone is converted.

| letters                 | of 2024-01-05T09:07:03.5+02:00                        |
|-------------------------|-------------------------------------------------------|
| %Y %y %m %-m %b %B      | 2024, 24, 01, 1, Jan, January                         |
| %d %-d %j %a %A         | 05, 5, 005, Fri, Friday                               |
| %H %-H %I %-I %p        | 09, 9, 09, 9, AM                                      |
| %M %S %f                | 07, 03, 500000                                        |
| %z %F %T %%             | +0200, 2024-01-05, 09:07:03, %                        |

Cost: 3 us. What it does not do: leap seconds, or years before 1 and after 9999.

Source: RFC 3339 section 5.6; ISO/IEC 9899 7.27.3.5 (strftime).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

LONGEST_PATTERN = 200
"""Characters in a pattern."""

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
# fmt: off
_MONTHS = ("January", "February", "March", "April", "May", "June",
           "July", "August", "September", "October", "November", "December")
# fmt: on
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PIECES = re.compile(r"%-?.|%-?|[^%]+", re.DOTALL)

_Piece: TypeAlias = str | Callable[[datetime], str]


def _offset(time: datetime) -> str:
    offset = time.utcoffset()
    if offset is None:
        return ""
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


_LETTERS: Mapping[str, Callable[[datetime], str]] = {
    "%Y": lambda time: f"{time.year:04d}",
    "%y": lambda time: f"{time.year % 100:02d}",
    "%m": lambda time: f"{time.month:02d}",
    "%-m": lambda time: str(time.month),
    "%b": lambda time: _MONTHS[time.month - 1][:3],
    "%B": lambda time: _MONTHS[time.month - 1],
    "%d": lambda time: f"{time.day:02d}",
    "%-d": lambda time: str(time.day),
    "%j": lambda time: f"{time.timetuple().tm_yday:03d}",
    "%a": lambda time: _DAYS[time.weekday()][:3],
    "%A": lambda time: _DAYS[time.weekday()],
    "%H": lambda time: f"{time.hour:02d}",
    "%-H": lambda time: str(time.hour),
    "%I": lambda time: f"{time.hour % 12 or 12:02d}",
    "%-I": lambda time: str(time.hour % 12 or 12),
    "%p": lambda time: "AM" if time.hour < 12 else "PM",
    "%M": lambda time: f"{time.minute:02d}",
    "%S": lambda time: f"{time.second:02d}",
    "%f": lambda time: f"{time.microsecond:06d}",
    "%z": _offset,
    "%F": lambda time: f"{time.year:04d}-{time.month:02d}-{time.day:02d}",
    "%T": lambda time: f"{time.hour:02d}:{time.minute:02d}:{time.second:02d}",
}


def format_date(text: str, pattern: str) -> str:
    """The time that `text` says, as `pattern` wants it.

    Raises:
        ValueError: `text` is no time, or `pattern` has letters that are not in the table.
    """
    pieces = date_pattern(pattern)
    if not _TIME.fullmatch(text):
        raise ValueError("not a time as RFC 3339 writes it")
    time = datetime.fromisoformat(text.upper())
    return "".join([piece if isinstance(piece, str) else piece(time) for piece in pieces])


@lru_cache(maxsize=64)
def date_pattern(pattern: str) -> tuple[_Piece, ...]:
    """The pieces of `pattern`: text, and what writes a part of a time.

    Raises:
        ValueError: it is too long, or has letters that are not in the table.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"longer than {LONGEST_PATTERN} characters")
    return tuple(_piece(match[0]) for match in _PIECES.finditer(pattern))


def _piece(text: str) -> _Piece:
    if text == "%%" or not text.startswith("%"):
        return text[-1] if text == "%%" else text
    if text not in _LETTERS:
        raise ValueError(f"{text!r} is not a part of a date; there are: {' '.join(_LETTERS)} %%")
    return _LETTERS[text]
