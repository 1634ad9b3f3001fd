"""The `Forwarded` header: reading and writing what one proxy says of the one before it.

    Forwarded: for=192.0.2.43;proto=https;host=example.com, for="[2001:db8::17]:4711"

Rule: one element a hop, last hop last; an element is `name=value` pairs, a value a token or a
quoted string. An element that breaks the grammar, names a parameter twice or has no `for` is
garbage: it yields an entry that is no address. A quote that is not closed makes everything
garbage, because what is inside it and what outside cannot be told: it may be the client's, left
open to swallow the element that our proxy appended.

Cost: one pass to split; elements are parsed from the right, as far as the reader walks.

What it does not do: decide whom to believe (`forwarded.py`), or read addresses (`addresses.py`).

Source: RFC 7239 sections 4 to 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

Hop: TypeAlias = "tuple[str, str | None]"
"""Where a request came from, as written, and its scheme if that is said."""

LONGEST_WALK = 32
"""Hops that are looked at; nobody has that many trusted proxies in a row."""

_GARBAGE: Hop = ("?", None)
_SCHEMES = frozenset({"http", "https"})

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NEEDS_ESCAPE = re.compile(rb'["\\]')
_ESCAPED = re.compile(r"\\(.)")
# No possessive quantifiers: those of Python 3.11.2, which Debian 12 has, match what they must not. Written so
# that each text can be matched in one way only, these cannot run away either.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LIST = re.compile(rf'[^"]*(?:{_QUOTED}[^"]*)*')
_ELEMENT = re.compile(rf'(?:[^",]+|{_QUOTED})+')
# Looser than the RFC in one point: a bare value may hold colons, which some proxies leave unquoted.
_PAIR = re.compile(rf"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=([^\s\";,]+|{_QUOTED})")
_PAIRS = re.compile(rf"\s*(?:{_PAIR.pattern})(?:\s*;\s*(?:{_PAIR.pattern}))*\s*")


def hops(field: str) -> Iterator[Hop]:
    """The hops in a `Forwarded` field, last first, at most `LONGEST_WALK`."""
    if not _LIST.fullmatch(field):
        yield _GARBAGE
        return
    for text in reversed(_ELEMENT.findall(field)[-LONGEST_WALK:]):
        if text.strip():
            yield _hop(text)


def known_scheme(value: str) -> str | None:
    """`http` or `https`, if `value` is one of them in any case."""
    scheme = value.lower()
    return scheme if scheme in _SCHEMES else None


@lru_cache(maxsize=1024)
def element(address: str, scheme: str, host: bytes) -> bytes:
    """An element for a hop from `address`, which asked for `host`; either may be empty.

    Remembered, because one connection sends many requests.
    """
    text = f"for={node(address)};proto={scheme}".encode("latin-1")
    if not host:
        return text
    return text + b";host=" + (host if _TOKEN.fullmatch(host) else b'"%b"' % _NEEDS_ESCAPE.sub(rb"\\\g<0>", host))


def node(address: str) -> str:
    """An address as `for=` wants it: IPv6 in brackets and quotes, none as `unknown`."""
    if not address:
        return "unknown"
    return f'"[{address}]"' if ":" in address else address


def _hop(text: str) -> Hop:
    if not _PAIRS.fullmatch(text):
        return _GARBAGE
    pairs = [(name.lower(), _unquoted(value)) for name, value in _PAIR.findall(text)]
    names = dict(pairs)
    if len(names) < len(pairs):
        return _GARBAGE
    return names.get("for") or _GARBAGE[0], known_scheme(names.get("proto", ""))


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
