"""Identity cache: what a provider said of a token, for as long as that may be relied on.

    learn ----- fresh ----> fresh_for ----- stale ----> + stale_for      forgotten
            (as if asked)              (only while nobody can be asked)

Rule: an identity is fresh for a while, then stale for another, and neither lasts beyond the expiry that its issuer
has set. A refusal is known briefly; it *replaces* the identity, so a token that was once called revoked is never
admitted again by what was known before, also not after the refusal itself has been forgotten.

Keys are SHA-256 of the token, so a dump of memory holds no token of a caller who is not calling just now.

Bound: `max_entries` identities and as many refusals, least recently used out first; stale ones count. The two do
not push each other out: a flood of made-up tokens must not cost honest callers their entries.
Cost: O(1); about 1 us for a hit, of which the hash is a half.

What it does not do: ask anybody, or tell other gateways: each learns of a revocation by itself, after `fresh_for` at
the latest.

Source: RFC 7662 section 4 (caching an answer trades load for how late a revocation is noticed).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.identity import Identity

TokenKey: TypeAlias = bytes


def key_of(token: str) -> TokenKey:
    """What stands for `token` in a cache."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Refused:
    """The token proves nothing here."""

    reason: str
    """One sentence for the client."""


@dataclass(slots=True)
class _Known:
    identity: Identity
    fresh_until: int
    stale_until: int


class IdentityCache:
    """Who is behind a token. Times are monotonic nanoseconds, an identity's expiry is wall-clock seconds."""

    __slots__ = ("_clock", "_fresh_for", "_known", "_max_entries", "_refused", "_refused_for", "_stale_for")

    def __init__(
        self, clock: Clock, *, fresh_for: float, refused_for: float, stale_for: float, max_entries: int
    ) -> None:
        """Durations in seconds; 0 for not at all.

        Raises:
            ValueError: a duration is negative, or there is room for nothing.
        """
        if min(fresh_for, refused_for, stale_for) < 0 or max_entries < 1:
            raise ValueError("the durations of a cache are 0 or more, and it has at least one entry")
        self._clock = clock
        self._fresh_for = round(fresh_for * NANOSECONDS)
        self._refused_for = round(refused_for * NANOSECONDS)
        self._stale_for = round(stale_for * NANOSECONDS)
        self._max_entries = max_entries
        self._known: OrderedDict[TokenKey, _Known] = OrderedDict()
        self._refused: OrderedDict[TokenKey, tuple[Refused, int]] = OrderedDict()

    def __len__(self) -> int:
        """How many entries are kept, whatever they are still good for."""
        return len(self._known) + len(self._refused)

    def fresh(self, key: TokenKey) -> Identity | Refused | None:
        """What is known well enough not to ask; None if nothing is."""
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is not None:
            if now < known.fresh_until and not self._has_expired(known.identity):
                self._known.move_to_end(key)
                return known.identity
            return None  # kept for `stale`
        refusal = self._refused.get(key)
        if refusal is None:
            return None
        if now < refusal[1]:
            self._refused.move_to_end(key)
            return refusal[0]
        del self._refused[key]
        return None

    def stale(self, key: TokenKey) -> Identity | None:
        """Who it was when somebody could last be asked, if that is not too long ago."""
        known = self._known.get(key)
        if known is None:
            return None
        if self._clock.monotonic() >= known.stale_until or self._has_expired(known.identity):
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return known.identity

    def learn(self, key: TokenKey, found: Identity | Refused) -> None:
        """Keep what the provider has just said."""
        now = self._clock.monotonic()
        if isinstance(found, Refused):
            self._known.pop(key, None)
            if self._refused_for:
                self._refused[key] = found, now + self._refused_for
                _trim(self._refused, key, self._max_entries)
            return
        self._refused.pop(key, None)
        fresh_until = now + self._fresh_for
        self._known[key] = _Known(found, fresh_until, fresh_until + self._stale_for)
        _trim(self._known, key, self._max_entries)

    def _has_expired(self, identity: Identity) -> bool:
        # By the wall's clock and each time: that clock may be set while the entry is kept.
        return identity.expires is not None and self._clock.wall() >= identity.expires

    def __repr__(self) -> str:
        return f"<IdentityCache {len(self._known)} identities, {len(self._refused)} refusals>"


def _trim(entries: OrderedDict[TokenKey, _Known] | OrderedDict[TokenKey, tuple[Refused, int]], newest: TokenKey,
          most: int) -> None:  # fmt: skip
    entries.move_to_end(newest)
    if len(entries) > most:
        entries.popitem(last=False)
