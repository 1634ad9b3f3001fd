"""Plain answer: the common one, about which status, Cache-Control, Date and Vary say nearly everything.

Rule: an answer is plain if none of its fields comes twice, `SPECIAL` ones are not among them, and it gives its lifetime
in seconds. What these four say is the same for all answers of a service in one second, so it is read once and
remembered. What is left is the arithmetic of its age. The outcome is the one that `after_answer.py` finds the long way
for all others; tests compare the two.

Bound: 512 remembered, whose fields have 128 bytes each at most.
Cost: 2 us, where the long way takes 9 (timeit, six fields), and `Facts` only for what is ever used again.

What it does not do: rules of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import floor
from typing import NamedTuple

from api_gateway.caching.cache_control import ResponseDirectives, response_directives
from api_gateway.caching.cache_key import tag_of
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.freshness import age_at_first, explicit_lifetime
from api_gateway.caching.http_dates import FIXDATE_LENGTH, parse_http_date
from api_gateway.caching.stale import useful_for
from api_gateway.caching.storability import DROPPED, TAG_FIELDS, why_not_stored
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.vary import selecting_fields, vary_names
from api_gateway.caching.verdicts import NEVER_USED, Nothing, Store
from api_gateway.core.headers import Headers

SPECIAL = DROPPED | TAG_FIELDS | {b"age", b"content-range", b"expires", b"set-cookie"}
"""Fields with a say of their own."""

_LONGEST = 128  # bytes of a field that is remembered


class _Said(NamedTuple):
    directives: ResponseDirectives
    date: float
    lifetime: float
    names: tuple[str, ...]
    """In `Vary`."""


def plain_outcome(
    asked: CacheRequest,
    status: int,
    headers: Headers,
    fields: Mapping[bytes, bytes],
    body: bytes,
    asked_at: float,
    answered_at: float,
    policy: CachePolicy,
) -> Store | Nothing | None:
    """What becomes of an answer with `fields`, each once; None if it is not plain."""
    cache_control, date, vary = fields.get(b"cache-control"), fields.get(b"date"), fields.get(b"vary", b"")
    if cache_control is None or date is None or asked.authorized or not SPECIAL.isdisjoint(fields):
        return None
    if len(cache_control) > _LONGEST or len(vary) > _LONGEST:
        return None
    said = _said(status, cache_control, date, vary)
    if not isinstance(said, _Said):
        return said
    directives, made, lifetime, names = said
    born = answered_at - age_at_first(made, asked_at, answered_at)
    validates = bool(fields.get(b"etag") or fields.get(b"last-modified"))
    useful = useful_for(directives, born, lifetime, answered_at, policy, validates)
    if useful <= 0:
        return NEVER_USED
    remaining = lifetime - (answered_at - born if answered_at > born else 0.0)
    tags = () if asked.key == asked.uri else (tag_of(asked.uri),)
    selecting = selecting_fields(names, asked.request.headers) if names else ()
    head = StoredResponse(status, headers, body, asked_at, answered_at, selecting, tags)
    shareable = remaining > 0 and not directives.no_cache
    return tuple.__new__(Store, (head, useful, floor(remaining), shareable, fields.get(b"content-length"), False))


@lru_cache(maxsize=512)
def _said(status: int, cache_control: bytes, date: bytes, vary: bytes) -> _Said | Nothing | None:
    directives = response_directives((cache_control.decode("latin-1"),))
    why = why_not_stored(status, {b"cache-control": cache_control}, directives, authorized=False, cookies=False)
    if why:
        return Nothing(why)
    names = vary_names(Headers.from_pairs([(b"vary", vary)]))
    if names is None:
        return Nothing("Vary: *")
    made = parse_http_date(date.decode("latin-1"), 0.0) if len(date) == FIXDATE_LENGTH else None
    lifetime = explicit_lifetime(directives)
    if made is None or lifetime is None or directives.withheld:
        return None
    return _Said(directives, made, lifetime, names)
