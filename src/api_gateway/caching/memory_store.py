"""Memory store: answers kept in this process, in so many bytes.

    store = MemoryCacheStore(64 * 2**20, clock)

Rule: an entry is a key with all its variants, and lives and goes as one. Which ones stay when room is short,
`s3_fifo.py` decides. An answer past its lifetime is dropped when somebody asks for it; where nobody does, it has no
uses and gives way by itself. What is too large is not kept, and what it should have replaced is forgotten
nevertheless: it is out of date.

Bound: `max_size` bytes at any time, and `max_entry_size` for one entry: the oldest variants go first, and there are
`MOST_VARIANTS` at most. What is counted is what the answers take in memory (`size_in_memory.py`), to a fifth.
Cost: a hit with one variant, about 0.2 us; keeping an answer of six fields, 2 us. `purge_tag` looks at the entries
with that tag only, `purge_prefix` at every key: about 10 ms for 100,000, in which nothing else runs.

For /metrics: `hits`, `misses`, `evictions`, `expired`, `refused`, `bytes`, `entries`.

What it does not do: share with other processes (`redis/`), or need a lock: one event loop asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from api_gateway.caching.cache_store import NearbyStore
from api_gateway.caching.s3_fifo import S3Fifo
from api_gateway.caching.size_in_memory import PER_ENTRY, size_of
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.core.clock import NANOSECONDS, Clock

MOST_VARIANTS = 32
"""Variants of one key: they are looked through one by one."""
LONGEST_LIFETIME = 366 * 86400.0
"""Seconds; nothing is kept for longer."""

_Variant: TypeAlias = tuple[StoredResponse, int]
"""An answer, and when it is over, in nanoseconds of the monotonic clock."""


class _Entry(NamedTuple):
    """The variants of one key, newest first; when each is over; and when the first of them is."""

    responses: tuple[StoredResponse, ...]
    ends: tuple[int, ...]
    first_end: int


_MEBIBYTE = 2**20


def default_max_entry_size(max_size: int) -> int:
    """Bytes: a tenth of the store, and at most 1 MiB."""
    return min(max_size // 10, _MEBIBYTE)


class MemoryCacheStore:
    """A `CacheStore` in this process."""

    __slots__ = ("_by_tag", "_entries", "_now", "expired", "hits", "max_entry_size", "misses", "refused")

    def __init__(self, max_size: int, clock: Clock, *, max_entry_size: int | None = None) -> None:
        """Keep up to `max_size` bytes, and `max_entry_size` for one key; see `default_max_entry_size`.

        Raises:
            ValueError: one of them is not positive, or an entry may be larger than the store.
        """
        if max_entry_size is None:
            max_entry_size = default_max_entry_size(max_size)
        if not 0 < max_entry_size <= max_size:
            raise ValueError(f"an entry must have some bytes of the store's {max_size}, not {max_entry_size}")
        self.max_entry_size = max_entry_size
        """Bytes of one key with its variants."""
        self.hits = 0
        """How often a key was asked for that is kept."""
        self.misses = 0
        """How often one was that is not."""
        self.expired = 0
        """Answers dropped because their lifetime was over."""
        self.refused = 0
        """Answers that were too large."""
        self._now = clock.monotonic
        self._entries: S3Fifo[_Entry] = S3Fifo(max_size, self._unlist)
        self._by_tag: dict[str, set[str]] = {}

    @property
    def max_size(self) -> int:
        """Bytes of all entries, at most."""
        return self._entries.max_size

    @property
    def bytes(self) -> int:
        """Bytes of all entries, about."""
        return self._entries.size

    @property
    def entries(self) -> int:
        """Keys that are kept."""
        return len(self._entries)

    @property
    def evictions(self) -> int:
        """Entries that gave way to others."""
        return self._entries.evictions

    @property
    def nearby(self) -> NearbyStore | None:
        """See `CacheStore.nearby`."""
        return self

    async def get(self, key: str) -> Sequence[StoredResponse]:
        """See `CacheStore.get`."""
        return self.find(key)

    def find(self, key: str) -> Sequence[StoredResponse]:
        """See `NearbyStore.find`."""
        entry = self._entries.get(key)
        if entry is not None and entry.first_end <= self._now():
            entry = self._without_expired(key, entry)
        if entry is None:
            self.misses += 1
            return ()
        self.hits += 1
        return entry.responses

    async def peek(self, key: str) -> Sequence[StoredResponse]:
        """What `get` would give, without a trace: nothing is counted, used or dropped."""
        entry, now = self._entries.peek(key), self._now()
        return () if entry is None else [response for response, ends in _variants(entry) if ends > now]

    async def put(self, key: str, response: StoredResponse, lifetime: float) -> None:
        """See `CacheStore.put`."""
        self.keep(key, response, lifetime)

    def keep(self, key: str, response: StoredResponse, lifetime: float) -> None:
        """See `NearbyStore.keep`."""
        now = self._now()
        old = self._entries.peek(key)
        size = PER_ENTRY + len(key) + size_of(response)
        if not lifetime > 0 or size > self.max_entry_size:
            self.refused += lifetime > 0
            if old is not None:
                self._replace(key, old, _others(old, response, now))
            return
        if lifetime > LONGEST_LIFETIME:
            lifetime = LONGEST_LIFETIME
        ends = now + int(lifetime * NANOSECONDS)
        if old is not None:
            self._replace(key, old, [(response, ends), *_others(old, response, now)])
            return
        if response.tags:
            self._list(key, response)
        # A tuple made without its constructor: one is made for every answer.
        self._entries.put(key, tuple.__new__(_Entry, ((response,), (ends,), ends)), size)

    async def delete(self, key: str) -> int:
        """See `CacheStore.delete`."""
        return self._delete(key, self._now())

    async def purge_prefix(self, prefix: str) -> int:
        """See `CacheStore.purge_prefix`."""
        now = self._now()
        return sum(self._delete(key, now) for key in [key for key in self._entries if key.startswith(prefix)])

    async def purge_tag(self, tag: str) -> int:
        """See `CacheStore.purge_tag`."""
        now = self._now()
        count = 0
        for key in list(self._by_tag.get(tag, ())):
            entry = self._entries.peek(key)
            assert entry is not None, "the index has what is kept"
            live = [variant for variant in _variants(entry) if variant[1] > now]
            left = [variant for variant in live if tag not in variant[0].tags]
            count += len(live) - len(left)
            self._replace(key, entry, left)
        return count

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._by_tag.clear()

    def _delete(self, key: str, now: int) -> int:
        entry = self._entries.peek(key)
        if entry is None:
            return 0
        self._replace(key, entry, [])
        return sum(end > now for end in entry.ends)

    def _without_expired(self, key: str, entry: _Entry) -> _Entry | None:
        now = self._now()
        live = [variant for variant in _variants(entry) if variant[1] > now]
        self.expired += len(entry.ends) - len(live)
        self._replace(key, entry, live)
        return self._entries.peek(key)

    def _replace(self, key: str, old: _Entry, variants: list[_Variant]) -> None:
        """Make `variants`, as many as there is room for, all that is kept of `key`, in place of `old`."""
        self._unlist(key, old)
        size = PER_ENTRY + len(key)
        kept: list[_Variant] = []
        for variant in variants[:MOST_VARIANTS]:
            larger = size + size_of(variant[0])
            if larger > self.max_entry_size:
                break
            size = larger
            kept.append(variant)
        if not kept:
            self._entries.pop(key)
            return
        responses, ends = zip(*kept, strict=True)
        for response in responses:
            self._list(key, response)
        self._entries.put(key, _Entry(responses, ends, min(ends)), size)

    def _list(self, key: str, response: StoredResponse) -> None:
        for tag in response.tags:
            self._by_tag.setdefault(tag, set()).add(key)

    def _unlist(self, key: str, entry: _Entry) -> None:
        for response in entry.responses:
            for tag in response.tags:
                keys = self._by_tag.get(tag)
                if keys is not None:  # two variants may have the same
                    keys.discard(key)
                    if not keys:
                        del self._by_tag[tag]


def _variants(entry: _Entry) -> list[_Variant]:
    return list(zip(entry.responses, entry.ends, strict=True))


def _others(entry: _Entry, response: StoredResponse, now: int) -> list[_Variant]:
    """The live variants that `response` does not replace."""
    selecting = response.selecting
    return [variant for variant in _variants(entry) if variant[0].selecting != selecting and variant[1] > now]
