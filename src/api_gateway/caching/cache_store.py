"""Cache store: where answers are kept, by key; each key has one answer for each variant (`Vary`).

Rule: a store may forget anything at any time, and never invents anything. It returns whole answers or none. A store
that is out of reach raises `StoreUnavailable`, and the cache takes that for a miss: a cache that is down makes
things slow, never wrong. One in this process is `nearby`: it answers at once, and a request that waits for nothing
takes no coroutine.

What it does not do: know HTTP. Whether an answer may be stored or used is decided before it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from api_gateway.caching.stored_response import StoredResponse


class StoreUnavailable(Exception):
    """The store cannot be asked at the moment."""


class NearbyStore(Protocol):
    """The part of a store in this process that every request needs; it is never out of reach."""

    def find(self, key: str) -> Sequence[StoredResponse]:
        """See `CacheStore.get`."""
        ...

    def keep(self, key: str, response: StoredResponse, lifetime: float) -> None:
        """See `CacheStore.put`."""
        ...


class CacheStore(Protocol):
    """A place for answers."""

    @property
    def nearby(self) -> NearbyStore | None:
        """The same, without waiting; None if asking it takes a wait."""
        ...

    async def get(self, key: str) -> Sequence[StoredResponse]:
        """The variants kept for `key`, newest first; none if there are none.

        Raises:
            StoreUnavailable: it cannot be asked.
        """
        ...

    async def put(self, key: str, response: StoredResponse, lifetime: float) -> None:
        """Keep `response` in place of the variant with the same selecting fields.

        It may be forgotten after `lifetime` seconds, when it would be of no use any more, not even stale.

        Raises:
            StoreUnavailable: it cannot be asked.
        """
        ...

    async def delete(self, key: str) -> int:
        """Forget every variant of `key`; how many there were.

        Raises:
            StoreUnavailable: it cannot be asked.
        """
        ...

    async def purge_prefix(self, prefix: str) -> int:
        """Forget every key that begins with `prefix`; how many answers there were.

        Raises:
            StoreUnavailable: it cannot be asked.
        """
        ...

    async def purge_tag(self, tag: str) -> int:
        """Forget every answer with `tag`; how many there were.

        Raises:
            StoreUnavailable: it cannot be asked.
        """
        ...

    async def close(self) -> None:
        """Free what it holds; memory is emptied, a shared store is only let go."""
        ...
