"""Listener certificates: those of the configuration, as their files are now.

Rule: certificates, keys and the authorities of clients are watched together. When one of the files changes, all
are read again; what fits together takes the place of what was there, for connections from then on. A pair that
is half written changes nothing but the log (`core/watched_file.py`).

Cost: one `stat` a file every two seconds. Reading takes about a millisecond a pair, in the event loop; more where a
key is encrypted, which is made to be slow.

What it does not do: end connections that were made under earlier certificates or authorities. They are drained
by a restart, where that is wanted.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Self

from api_gateway.config.tls_schema import ListenTlsConfig
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.watched_file import LOOK_EVERY, WatchedFile
from api_gateway.server.tls.certificate import Certificate
from api_gateway.server.tls.certificate_store import CertificateStore
from api_gateway.server.tls.expiry import DAY, warn_of_expiry
from api_gateway.server.tls.listener_context import load_store


class ListenerCertificates:
    """What the listener shows, and whom it believes; an asynchronous context while it is watched."""

    def __init__(self, config: ListenTlsConfig, clock: Clock | None = None, *, every: float = LOOK_EVERY) -> None:
        """Read for the first time; `every` is in seconds.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        self.config = config
        self._clock = clock or SystemClock()
        self._daily: asyncio.Task[None] | None = None
        pairs = config.pairs
        files = [*(pair.cert_file for pair in pairs), *(pair.key_file for pair in pairs)]
        if config.client_ca_file is not None:
            files.append(config.client_ca_file)
        self._watched = WatchedFile(files, self._load, every=every)

    async def __aenter__(self) -> Self:
        self._daily = asyncio.create_task(self._warn_daily())
        await self._watched.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._watched.close()
        daily, self._daily = self._daily, None
        if daily is not None:
            daily.cancel()
            await asyncio.wait([daily])

    @property
    def store(self) -> CertificateStore:
        """The certificates as they are now."""
        return self._watched.value

    @property
    def certificates(self) -> Sequence[Certificate]:
        """What they say of themselves, in the order of the configuration."""
        return self.store.certificates

    @property
    def reloads(self) -> int:
        """How often they were read anew."""
        return self._watched.reloads

    @property
    def failures(self) -> int:
        """How many changes could not be used."""
        return self._watched.failures

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        return self.store.context

    def look(self) -> None:
        """Read again now if a file has changed."""
        self._watched.look()

    def _load(self) -> CertificateStore:
        store = load_store(self.config)
        if self._daily is not None:  # a reload: the first time is said when serving begins
            self._warn(store)
        return store

    def _warn(self, store: CertificateStore) -> None:
        warn_of_expiry(store.certificates, self._clock.wall(), self.config.warn_before)

    async def _warn_daily(self) -> None:
        while True:
            self._warn(self.store)
            await asyncio.sleep(DAY)
