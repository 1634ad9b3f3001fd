"""Remote key set: the keys that an identity provider publishes, fetched, kept, and renewed.

Rule: one fetch at a time, whoever needs it; the fetch has a task of its own, so no waiter's departure ends it.

| the keys are                     | then                                                                    |
|----------------------------------|-------------------------------------------------------------------------|
| fresh                            | used; nobody waits                                                      |
| fresh, the last fifth of it      | used, and fetched anew in the background                                |
| old, as nobody has asked         | fetched anew, and the request waits for that                            |
| old, as the provider is down     | used for `stale_for`, counted; asked again every `refetch_every`        |
| older, or never fetched          | 503; asked again after a second, not for each request                   |
| without the `kid` of a token     | fetched anew, at most once in `refetch_every`                           |

How long they are fresh is the provider's word (`Cache-Control: max-age`), but not less than a minute and not more
than `max_age`: that is how long a withdrawn key can go on being trusted while the provider is up. `stale_for` is
how long while it is down: the price for not going down with it.

Keys that come again unchanged stay the same object, so what was verified with them stays verified (`key_source.py`).

Bound: an answer of 256 KiB, 100 keys, one task, one fetch in `refetch_every`, `timeout` for each.
Cost: a look at the clock.

What it does not do: connect. It is handed a Handler that leads to one place; a redirect is not followed, and an
address in a token (`jku`) is never looked at. It opens nothing before the first token comes.

Source: RFC 7517 section 5; OpenID Connect Core 10.1.1 (rotation); RFC 9111 5.2.2.
"""

from __future__ import annotations

import asyncio
import logging
import re

from api_gateway.auth.key_set import KeySet, keys_of_provider
from api_gateway.auth.provider_answer import ProviderFailed, ask
from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import IdentityUnavailable
from api_gateway.core.middleware import Handler

SHORTEST_FRESH = 60.0
"""Seconds."""
RETRY_WITHOUT_KEYS = 1.0
"""Seconds between attempts while there are no keys at all."""
LARGEST = 256 * 1024
"""Bytes of an answer."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})(?![0-9])", re.ASCII | re.IGNORECASE)
_DO_NOT_KEEP = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,;])", re.ASCII | re.IGNORECASE)

_log = logging.getLogger("api_gateway.jwks")


class RemoteKeySet:
    """The keys of one provider. Use it in one event loop; `close` ends what runs."""

    def __init__(
        self,
        provider: Handler,
        path: str,
        *,
        name: str = "the identity provider",
        max_age: float = 600.0,
        refetch_every: float = 10.0,
        stale_for: float = 86_400.0,
        timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Know where the keys are; fetch nothing yet.

        Args:
            provider: answers requests for `path`.
            path: path and query of the JWKS document.
            name: what the log calls the provider; holds no secret.
            max_age: seconds that keys are fresh, unless the provider says less.
            refetch_every: seconds between fetches that unknown keys, or failures, cause.
            stale_for: seconds that keys are used after that, while the provider is down.
            timeout: seconds for one fetch.
            clock: tells the time.
        """
        self._provider, self._path = provider, path
        self.name = name
        self._max_age, self._timeout = max_age, timeout
        self._refetch_every = round(refetch_every * NANOSECONDS)
        self._stale_for = round(stale_for * NANOSECONDS)
        self._clock: Clock = clock or SystemClock()
        self._keys: KeySet | None = None
        self._raw = b""
        self._quiet_until = self._fresh_until = self._stale_until = self._ask_again_at = -(1 << 63)
        self._task: asyncio.Task[None] | None = None
        self.fetches = 0
        """How often the provider was asked."""
        self.failures = 0
        """How often it did not give keys."""
        self.stale_served = 0
        """How often keys were used past their time, because it was down."""
        self.unknown_kid = 0
        """How often a token named a key that the set did not have."""
        self.down = False
        """Whether it did not give keys when it was last asked."""

    @property
    def current(self) -> KeySet | None:
        """The keys that hold now; None if they must be fetched before anything can be said."""
        now = self._clock.monotonic()
        return self._keys if now < self._quiet_until else self._due(now)

    async def look_again(self) -> KeySet:
        """The keys, fetched anew unless that was done just now.

        Raises:
            IdentityUnavailable: there are none that may be used.
        """
        before = self._usable(self._clock.monotonic())
        if before is not None:
            self.unknown_kid += 1
        task = self._refresh()
        if task is not None:
            await asyncio.wait([task])  # which, unlike awaiting the task, does not cancel it with the waiter
        keys = self.current if before is None else self._usable(self._clock.monotonic())
        if keys is None:
            raise IdentityUnavailable(f"the keys of {self.name} are not to be had")
        return keys

    async def close(self) -> None:
        """End a fetch that is under way. The keys stay."""
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _due(self, now: int) -> KeySet | None:
        """The keys, where that is not all there is to it."""
        keys = self._usable(now)
        if keys is not None:
            self._refresh()
            if now >= self._fresh_until:
                self.stale_served += 1
        return keys

    def _usable(self, now: int) -> KeySet | None:
        if now < self._fresh_until:
            return self._keys
        # A failure of long ago says nothing about now: then it must be asked before old keys are trusted.
        known_to_be_down = self.down and now < self._ask_again_at + self._refetch_every
        return self._keys if known_to_be_down and now < self._stale_until else None

    def _refresh(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, begun if it may be; None if it may not."""
        if self._task is None and self._clock.monotonic() >= self._ask_again_at:
            self._task = asyncio.get_running_loop().create_task(self._fetch(), name="jwks")
        return self._task

    async def _fetch(self) -> None:
        self.fetches += 1
        try:
            answer = await ask(self._provider, self._path, largest=LARGEST, timeout=self._timeout, clock=self._clock)
            if answer.raw != self._raw or self._keys is None:
                self._take(answer.raw)
        except (ProviderFailed, ValueError) as error:
            self._failed(error)
        else:
            self._succeeded(_fresh_for(answer.cache_control, self._max_age))
        finally:
            self._task = None

    def _take(self, raw: bytes) -> None:
        keys, left_out = keys_of_provider(raw)
        self._keys, self._raw = keys, raw
        _log.info("%s publishes %d usable keys", self.name, len(keys))
        for reason in left_out:
            _log.warning("%s: %s", self.name, reason)

    def _succeeded(self, fresh_for: float) -> None:
        now, fresh = self._clock.monotonic(), round(fresh_for * NANOSECONDS)
        self._quiet_until = now + fresh * 4 // 5
        self._fresh_until = now + fresh
        self._stale_until = self._fresh_until + self._stale_for
        self._ask_again_at = now + min(self._refetch_every, fresh * 4 // 5)
        if self.down:
            self.down = False
            _log.info("%s is back", self.name)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        wait = self._refetch_every
        if self._keys is None or self._clock.monotonic() >= self._stale_until:
            wait = min(wait, round(RETRY_WITHOUT_KEYS * NANOSECONDS))
        self._ask_again_at = self._clock.monotonic() + wait
        if not self.down:
            self.down = True
            kept = "there are no keys" if self._keys is None else "the last good keys stay in use for a while"
            _log.error("%s does not give its keys, %s: %s", self.name, kept, error)


def _fresh_for(cache_control: str, longest: float) -> float:
    """Seconds."""
    shortest = min(SHORTEST_FRESH, longest)
    if _DO_NOT_KEEP.search(cache_control):
        return shortest
    match = _MAX_AGE.search(cache_control)
    return longest if match is None else min(max(float(match[1]), shortest), longest)
