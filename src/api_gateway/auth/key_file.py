"""Key file: the records of API keys, as people keep them.

    keys:
      - id: "9f2c41d07ab3"                       # the middle part of the key
        hash: sha256:6e34...                     # of the whole key
        owner: orders-team                       # whom limits count, and services are told as X-Consumer
        subject: orders-batch                    # who it is, in X-User-Id; the owner unless given
        scopes: [orders:read]
        roles: [batch]
        tier: gold
        expires: 2027-01-01T00:00:00Z            # with its offset; never unless given
        disabled: true                           # the key stays on file, and proves nothing

Rule: all mistakes at once, each with its entry and a remedy, and none with the value: who puts a key into the wrong
line must not find it in a log. A file with a mistake is not used at all. One without keys is (`keys: []`), for that
is how the last key is revoked.

Bound: a change is seen within `LOOK_EVERY` seconds (`core/watched_file.py`); until then a revoked key works.
Cost: nothing for a request; all identities are made when the file is loaded, which for a thousand keys takes 30 ms
here and half a second for a loader of YAML in plain Python. No request is served meanwhile.
What it does not do: read YAML (its loader is handed in), or ever write (`server/key_command.py` does).

Source: RFC 3339 section 5.6 (date-time).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from api_gateway.auth.api_key import KeyRecord
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.identity import Identity
from api_gateway.core.watched_file import WatchedFile

KeyRecords: TypeAlias = Mapping[str, KeyRecord]
DocumentLoader: TypeAlias = Callable[[Path], object]
"""Reads a file into dictionaries, lists, texts, numbers and flags; raises ConfigurationError if it is none."""

FIELDS: Final = ("id", "hash", "owner", "subject", "scopes", "roles", "tier", "expires", "disabled")
HASH_PREFIX: Final = "sha256:"

_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_HASH: Final = re.compile(HASH_PREFIX + r"[0-9a-f]{64}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]"
    r"(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"  # some versions of Python know an hour 24
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_PLAIN_NAME: Final = re.compile(r"[a-z]{1,20}")
_NO_WORDS: Final[frozenset[str]] = frozenset()


def watched_keys(path: Path, load: DocumentLoader) -> WatchedFile[KeyRecords]:
    """The records in the file at `path`, as they are now; start it, and close it.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    return WatchedFile([path], lambda: parse_keys(load(path), str(path)))


def parse_keys(document: object, source: str) -> KeyRecords:
    """The records of a key file, by id.

    Args:
        document: the file as plain values.
        source: the file as the user knows it.

    Raises:
        ConfigurationError: everything that is wrong with it, one problem a line.
    """
    problems: list[str] = []
    records: dict[str, KeyRecord] = {}
    places: dict[str, int] = {}
    for index, value in enumerate(_entries(document, problems)):
        entry = _Entry(value, f"keys[{index}]", problems)
        record = entry.record()
        known = places.setdefault(entry.id, index)
        if entry.id and known != index:
            entry.wrong("id", f"keys[{known}] has the same", "make a new key, or remove one of the entries")
        if record is not None:
            records[record.id] = record
    if problems:
        raise ConfigurationError("\n".join(f"{source}: {problem}" for problem in problems))
    return records


def parse_moment(text: str) -> float:
    """Wall-clock seconds of an RFC 3339 date-time.

    Raises:
        ValueError: it is none, or one that no calendar has.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError("not a date-time with an offset")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC).timestamp()
    except OverflowError:
        raise ValueError("before or after all years") from None


def format_moment(seconds: float) -> str:
    """The RFC 3339 date-time, in UTC and whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _entries(document: object, problems: list[str]) -> list[object]:
    if not isinstance(document, Mapping) or "keys" not in document:
        problems.append(
            "there is no key 'keys' at the top; write 'keys:' and a list of entries, or 'keys: []' for none"
        )
        return []
    if len(document) > 1:
        problems.append("there is more than 'keys' at the top; remove the rest")
    entries = document["keys"]
    if not isinstance(entries, list) and entries is not None:
        problems.append("keys: expected a list; begin each entry with '- id:'")
        return []
    return entries or []


class _Entry:
    """One entry; what is wrong with it goes to `problems`."""

    def __init__(self, value: object, place: str, problems: list[str]) -> None:
        self._values: Mapping[object, object] = value if isinstance(value, Mapping) else {}
        self._problems = problems
        self._before = len(problems)
        identifier = self._values.get("id")
        self.id = identifier if isinstance(identifier, str) and _ID.fullmatch(identifier) else ""
        """Empty if there is no usable one."""
        self._place = f"{place} (id {self.id})" if self.id else place
        if not isinstance(value, Mapping):
            self.wrong("", "expected a mapping", "write id, hash and owner")

    def wrong(self, name: str, cause: str, remedy: str) -> None:
        """Remember a mistake at the field `name`."""
        self._problems.append(f"{self._place}: {name}{': ' if name else ''}{cause}; {remedy}")

    def record(self) -> KeyRecord | None:
        """The record; None if anything is wrong."""
        if len(self._problems) > self._before:
            return None
        self._refuse_unknown_fields()
        if not self.id:
            self.wrong("id", *self._at("id", "not an id", "write the middle part of the key, in quotes"))
        digest = self._digest()
        owner = self._name("owner", required=True)
        subject = self._name("subject") or owner
        scopes, roles = self._words("scopes"), self._words("roles")
        tier, expires, disabled = self._name("tier"), self._moment("expires"), self._flag("disabled")
        if len(self._problems) > self._before:
            return None
        identity = Identity(subject, "api_key", consumer=owner, scopes=scopes, roles=roles, tier=tier, expires=expires)
        return KeyRecord(self.id, digest, identity, disabled)

    def _at(self, name: str, cause: str, remedy: str) -> tuple[str, str]:
        """`cause`, unless the field is not there at all."""
        return (cause if name in self._values else "it is missing"), remedy

    def _refuse_unknown_fields(self) -> None:
        for name in self._values:
            if name not in FIELDS:
                shown = f" {name!r}" if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else ""
                self.wrong("", f"unknown field{shown}", f"the fields are: {', '.join(FIELDS)}")

    def _digest(self) -> bytes:
        value = self._values.get("hash")
        if isinstance(value, str) and _HASH.fullmatch(value):
            return bytes.fromhex(value.removeprefix(HASH_PREFIX))
        remedy = f"write {HASH_PREFIX} and 64 digits from 0 to f, as 'api-gateway key new' prints them"
        self.wrong("hash", *self._at("hash", "not a hash", remedy))
        return b""

    def _name(self, name: str, *, required: bool = False) -> str:
        if name not in self._values and not required:
            return ""
        value = self._values.get(name)
        if isinstance(value, str) and _is_name(value):
            return value
        cause = "not a name of at most 512 characters, none of them a control character"
        self.wrong(name, *self._at(name, cause, "write a text, in quotes if it looks like a number"))
        return ""

    def _words(self, name: str) -> frozenset[str]:
        values = self._values.get(name, [])
        if isinstance(values, list) and all(isinstance(word, str) and _is_word(word) for word in values):
            return frozenset(values)
        self.wrong(name, "not a list of words", "write [orders:read, orders:write], without spaces in a word")
        return _NO_WORDS

    def _moment(self, name: str) -> float | None:
        if name not in self._values:
            return None
        value = self._values[name]
        try:
            return parse_moment(value if isinstance(value, str) else "")
        except ValueError:
            self.wrong(name, "not a date and time with an offset", "write one such as 2027-01-01T00:00:00Z")
        return None

    def _flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if isinstance(value, bool):
            return value
        self.wrong(name, "neither true nor false", "write true or false")
        return False


# What may stand in an identity is for the identity to say, so that a file with no mistake makes no error later.


def _is_name(text: str) -> bool:
    return _allowed(lambda: Identity(text, "api_key"))


def _is_word(word: str) -> bool:
    return _allowed(lambda: Identity("-", "api_key", scopes=frozenset({word})))


def _allowed(make: Callable[[], Identity]) -> bool:
    try:
        make()
    except ValueError:
        return False
    return True
