"""Storability: which answers may be kept at all, and what of them.

An answer to a GET is kept unless one of these holds; `Nothing.why` names the first.

| because                                                                              | RFC 9111   |
|--------------------------------------------------------------------------------------|------------|
| it is a part (206, or has Content-Range), or its status is about this request alone   | 3, 3.3     |
| `must-understand`, and the status is unknown here                                    | 5.2.2.3    |
| `no-store`, without an understood `must-understand`                                  | 5.2.2.5    |
| `private` for all of it, or for a field that it is nothing without                   | 5.2.2.7    |
| `Set-Cookie`, unless `private` or `no-cache` names it or the policy allows it        | 7.3        |
| the request had Authorization, and no `public`, `s-maxage` or `must-revalidate`      | 3.5        |
| `Vary: *`                                                                            | 4.1        |
| it does not say for how long, and its status does not allow guessing                 | 3          |
| it could never be used: neither fresh for any time, nor has it a validator           | 3          |

Statuses about this request alone are those that speak of its credentials, its preconditions, its range, its size or
its rate: 401, 407, 412, 413, 416, 417, 421, 425, 426, 428, 429, 431, 408. RFC 9111 would let some be kept; one
client's oversized header would then be everybody's 431 (H. Nguyen et al., "Your Cache Has Fallen", CCS 2019).

Not kept of it: hop-by-hop fields and those of proxy authentication, what Connection names (3.1), what a qualified
`private` or `no-cache` names. An answer without a valid Date gets one (RFC 9110 6.6.1).

What it does not do: judge requests that are not looked up (`cache_request.py`): nothing of them comes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from api_gateway.caching.cache_control import ResponseDirectives
from api_gateway.caching.freshness import HEURISTIC_STATUSES
from api_gateway.caching.http_dates import http_date, parse_http_date
from api_gateway.core.canonical_request import HOP_BY_HOP, without_hop_by_hop
from api_gateway.core.headers import Headers

NEVER_STORED = frozenset({206, 304, 401, 407, 408, 412, 413, 416, 417, 421, 425, 426, 428, 429, 431})
"""Statuses about one request alone, or a part of an answer."""

_UNDERSTOOD = frozenset(int(status) for status in HTTPStatus) - NEVER_STORED
_ABOUT_A_PROXY = frozenset({b"proxy-authentication-info"})
DROPPED = HOP_BY_HOP | _ABOUT_A_PROXY
"""Fields that are not kept."""
_INDISPENSABLE = frozenset(
    {b"cache-control", b"content-encoding", b"content-length", b"content-type", b"date", b"expires", b"vary"}
)
TAG_FIELDS = frozenset({b"cache-tag", b"surrogate-key"})
"""Fields in which an answer names its tags."""

_LONGEST_TAG, _MOST_TAGS = 128, 64


def why_not_stored(
    status: int,
    first: Mapping[bytes, bytes],
    directives: ResponseDirectives,
    *,
    authorized: bool,
    cookies: bool,
) -> str:
    """Why an answer must not be kept, given the first line of each of its fields; empty if it may be.

    Args:
        status: its own.
        first: by name in lower case.
        directives: its own.
        authorized: the request's (`cache_request.py`).
        cookies: whether one that sets a cookie may be kept.
    """
    withheld = directives.withheld
    if status < 200 or status in NEVER_STORED or b"content-range" in first:
        return "it is about this request alone"
    if directives.must_understand and status not in _UNDERSTOOD:
        return "its status must be understood"
    if directives.no_store and not directives.must_understand:
        return "no-store"
    if directives.private or not withheld.isdisjoint(_INDISPENSABLE):
        return "private"
    if b"set-cookie" in first and b"set-cookie" not in withheld and not cookies:
        return "it sets a cookie"
    if authorized and not (directives.public or directives.must_revalidate or directives.s_maxage is not None):
        return "it is for one caller"
    explicit = directives.s_maxage is not None or directives.max_age is not None or b"expires" in first
    if not explicit and not directives.public and status not in HEURISTIC_STATUSES:
        return "it does not say for how long"
    return ""


def kept_fields(
    headers: Headers, first: Mapping[bytes, bytes], directives: ResponseDirectives, answered_at: float
) -> Headers:
    """The fields of an answer that are kept; `first` has the first line of each."""
    pairs = headers.pairs
    if not DROPPED.isdisjoint(first):
        pairs = [pair for pair in without_hop_by_hop(pairs) if pair[0] not in _ABOUT_A_PROXY]
    withheld = directives.withheld
    if withheld:
        pairs = [pair for pair in pairs if pair[0] not in withheld]
    date = first.get(b"date")
    if date is None or parse_http_date(date.decode("latin-1"), answered_at) is None:
        pairs = [pair for pair in pairs if pair[0] != b"date"]
        pairs.append((b"date", http_date(answered_at).encode("ascii")))
    return headers if pairs is headers.pairs else Headers.from_pairs(pairs)


def tags_of(headers: Headers) -> tuple[str, ...]:
    """The tags that an answer gives itself: members of `Cache-Tag`, words of `Surrogate-Key`."""
    words = [word for line in headers.get_all("surrogate-key") for word in line.split()]
    tags = dict.fromkeys(tag for tag in (*headers.tokens("cache-tag"), *words) if len(tag) <= _LONGEST_TAG)
    return tuple(tags)[:_MOST_TAGS]
