"""Freshness: for how long an answer is good, and how old it is.

Rule: fresh while lifetime > age (RFC 9111 4.2). The lifetime is the first of these that is there:

    s-maxage | max-age | Expires - Date | a share of Date - Last-Modified, where the status allows guessing (4.2.2)

and what is there but malformed is 0, never the next. The age counts from when the origin made the answer (4.2.3):

    initial age = max(⌊answered_at⌋ - Date, Age + answered_at - asked_at)    0 at least
    age         = initial age + now - answered_at

so caches on the way that say no `Age`, and a slow answer, make it older, never younger. Date has whole seconds, so only
whole ones count: `max-age=1` is a second, not what the clock has left of one. `born` is the moment at which
the age was 0; of `Age` the first member counts, one that is no number does not (5.1). Two different `Expires` are none.

Cost: the facts of an answer are found once, when it is first used: 2.5 us (timeit, six fields).

What it does not do: say whether stale is good enough (`stale.py`), or the answer storable (`storability.py`).

Source: RFC 9111 sections 4.2 and 5.3.
"""

from __future__ import annotations

import re
from math import floor
from typing import NamedTuple

from api_gateway.caching.cache_control import MOST_SECONDS, ResponseDirectives, response_directives
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.http_dates import parse_http_date
from api_gateway.core.headers import HeaderPairs, Headers

HEURISTIC_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses whose lifetime may be guessed (RFC 9110 15.1), less 206; others only if the answer says `public`."""

_AGE = re.compile(rb"[0-9]+")


class Facts(NamedTuple):
    """What an answer says about its own use, read once."""

    directives: ResponseDirectives
    born: float
    """Wall-clock second at which its age was 0."""
    date: float
    """When the origin says that it made it; when it came, if the origin does not say."""
    explicit: float | None
    """Seconds of its lifetime as it says itself."""
    unchanged_for: float
    """Seconds since the last change when it was made; 0 where its lifetime must not be guessed."""
    may_be_stale: bool
    """Whether it allows that it is ever used stale (RFC 9111 4.2.4)."""
    etag: bytes
    """Its entity tag as it came; empty without one."""
    last_modified: bytes
    """Likewise."""
    pairs: HeaderPairs
    """Its fields less `Age`: what is served. Shared: read-only."""

    @property
    def validates(self) -> bool:
        """Whether the origin can be asked if it still holds."""
        return bool(self.etag or self.last_modified)

    def age(self, now: float) -> float:
        """Seconds since it was made; never negative."""
        return now - self.born if now > self.born else 0.0

    def lifetime(self, policy: CachePolicy) -> float:
        """Seconds from `born` for which it is fresh."""
        if self.explicit is not None:
            return self.explicit
        return min(self.unchanged_for * policy.heuristic_fraction, policy.heuristic_limit)


def facts_of(
    status: int, headers: Headers, asked_at: float, answered_at: float, directives: ResponseDirectives | None = None
) -> Facts:
    """Read the facts of an answer; `directives` are its own, if somebody has read them already."""
    pairs = headers.pairs
    first = dict(pairs)
    if len(first) != len(pairs):
        first = dict(reversed(pairs))
    expires = headers.get_all("expires") if b"expires" in first else []
    last_modified = first.get(b"last-modified", b"")
    if directives is None:
        directives = response_directives(headers.get_all("cache-control") if b"cache-control" in first else ())
    said = parse_http_date(first[b"date"].decode("latin-1"), answered_at) if b"date" in first else None
    date = answered_at if said is None else said
    initial_age = age_at_first(date, asked_at, answered_at, _age(first[b"age"]) if b"age" in first else 0.0)
    explicit = explicit_lifetime(directives)
    if explicit is None and expires:
        end = parse_http_date(expires[0], answered_at) if len(set(expires)) == 1 else None
        explicit = 0.0 if end is None else max(0.0, end - date)
    guessable = explicit is None and (status in HEURISTIC_STATUSES or directives.public)
    changed = parse_http_date(last_modified.decode("latin-1"), answered_at) if guessable and last_modified else None
    return Facts(
        directives,
        answered_at - initial_age,
        date,
        explicit,
        0.0 if changed is None else max(0.0, date - changed),
        directives.allows_stale,
        first.get(b"etag", b""),
        last_modified,
        [pair for pair in pairs if pair[0] != b"age"] if b"age" in first else pairs,
    )


def age_at_first(date: float, asked_at: float, answered_at: float, age: float = 0.0) -> float:
    """The initial age of an answer made at `date` that came with `age` (4.2.3)."""
    if answered_at > asked_at:
        age += answered_at - asked_at
    apparent = floor(answered_at) - date
    if apparent > age:
        age = apparent
    return age


def explicit_lifetime(directives: ResponseDirectives) -> float | None:
    """Seconds that Cache-Control gives an answer; None if it says nothing about that."""
    if directives.s_maxage is not None:
        return float(directives.s_maxage)
    if directives.max_age is not None:
        return float(directives.max_age)
    return None


def _age(line: bytes) -> float:
    """The first member of `Age`, or 0."""
    first = line.partition(b",")[0].strip()
    if not _AGE.fullmatch(first):
        return 0.0
    digits = first.lstrip(b"0") or b"0"
    return float(MOST_SECONDS if len(digits) > 10 else min(int(digits), MOST_SECONDS))
