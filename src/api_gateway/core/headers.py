"""Headers: an immutable list of byte pairs behind a friendly face.

Rule: names are lower-case bytes, values are bytes, order and repetition are kept: exactly the
shape ASGI uses, so nothing is converted on the way through the proxy. Lookup is by `str`,
case-insensitive; values read as latin-1, which maps every byte to one character and back.

Cost: lookup scans the list. A request has about ten fields; for so few, a scan beats building
a dictionary for each request.

What it does not do: interpret values, join repeated fields, or hold state. A change gives a new
`Headers`; the old one stays as it was, so a retry can still send it.

Source: RFC 9110 section 5 (fields), RFC 9112 section 5 (syntax).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

HeaderPairs: TypeAlias = list[tuple[bytes, bytes]]
"""What travels: lower-case names, raw values."""

HeadersLike: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]"
"""What a person may write instead."""

# RFC 9110 5.6.2 token; 5.5 field values: no control characters but the tab, nothing folded.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# Credentials; a repr ends in logs and error trackers.
_NEVER_SHOWN = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})

HIDDEN = "..."
"""What people see in place of a credential."""


class Headers:
    """Header fields of one message, in order."""

    __slots__ = ("pairs",)

    pairs: HeaderPairs
    """The fields as byte pairs. Shared, not copied: treat as read-only."""

    def __init__(self, fields: HeadersLike = ()) -> None:
        """Build from a mapping or from pairs.

        Raises:
            ValueError: a name is not a token, or a value holds a control character or one that
                latin-1 lacks.
        """
        if isinstance(fields, Headers):
            self.pairs = fields.pairs
            return
        items = fields.items() if isinstance(fields, Mapping) else fields
        self.pairs = [_checked(name, value) for name, value in items]

    @classmethod
    def from_pairs(cls, pairs: HeaderPairs) -> Headers:
        """Take over `pairs` unchecked: names already lower-case, syntax checked by a parser."""
        headers = cls.__new__(cls)
        headers.pairs = pairs
        return headers

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        wanted = name.lower().encode("latin-1")
        for field, value in self.pairs:
            if field == wanted:
                return value.decode("latin-1")
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order; empty if there is none."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for field, value in self.pairs if field == wanted]

    def tokens(self, name: str) -> list[str]:
        """The members of a comma-separated field over all its lines, trimmed, empty ones left out."""
        members = (member.strip() for value in self.get_all(name) for member in value.split(","))
        return [member for member in members if member]

    def setting(self, name: str, value: str) -> Headers:
        """These fields with `name` replaced by one field, at the end."""
        pair = _checked(name, value)
        return Headers.from_pairs([*(field for field in self.pairs if field[0] != pair[0]), pair])

    def adding(self, name: str, value: str) -> Headers:
        """These fields and one more, whatever is there already."""
        return Headers.from_pairs([*self.pairs, _checked(name, value)])

    def without(self, *names: str) -> Headers:
        """These fields less every one of `names`."""
        unwanted = {name.lower().encode("latin-1") for name in names}
        return Headers.from_pairs([field for field in self.pairs if field[0] not in unwanted])

    def items(self) -> Iterator[tuple[str, str]]:
        """Name and value of each field, as text, in order."""
        return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.pairs)

    def __contains__(self, name: str) -> bool:
        wanted = name.lower().encode("latin-1")
        return any(field == wanted for field, _ in self.pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return self.items()

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.pairs == other.pairs

    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content is a list

    def __repr__(self) -> str:
        shown = [(name, shown_value(name, value)) for name, value in self.items()]
        return f"Headers({shown!r})"


def shown_value(name: str, value: str) -> str:
    """The value of a field for people; of one that carries credentials, only that there is one."""
    return HIDDEN if name in _NEVER_SHOWN else value


field_line = b": ".join
"""A pair of name and value as its line in a head."""


def message_head(lines: list[bytes]) -> bytes:
    """The head of a message as it travels: its lines, and the empty one behind them.

    Raises:
        ValueError: a line holds a line break. This is the last gate against header injection,
            whoever set the values.
    """
    text = b"".join(lines)
    if text.find(b"\n") >= 0 or text.find(b"\r") >= 0:
        raise ValueError("a line of the message's head holds a line break")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _checked(name: str | bytes, value: str | bytes) -> tuple[bytes, bytes]:
    raw_name = name.lower() if isinstance(name, bytes) else name.lower().encode("latin-1", "replace")
    raw_value = value if isinstance(value, bytes) else value.encode("latin-1")
    if not _NAME.fullmatch(raw_name):
        raise ValueError(f"not a header name: {name!r}")
    if _FORBIDDEN_IN_VALUE.search(raw_value):
        raise ValueError(f"header {name!r} has a control character in its value")
    return raw_name, raw_value.strip(b" \t")
