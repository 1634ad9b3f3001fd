"""Key source: where the keys of an issuer are now.

Rule: `current` is what holds at this moment, as one immutable object. Whoever has concluded something from it, such
as that a token is genuine, may rely on that for as long as `current` is the same object: that is the generation,
and a key that is withdrawn ends what was verified with it.

What it does not do: parse (`key_set.py`), or fetch (`remote_key_set.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from api_gateway.auth.key_set import KeySet, keys_of_file
from api_gateway.core.watched_file import LOOK_EVERY, WatchedFile


class KeySource(Protocol):
    """Has keys, or gets them."""

    @property
    def current(self) -> KeySet | None:
        """The keys that hold now; None if they must be fetched before anything can be said."""
        ...

    async def look_again(self) -> KeySet:
        """The keys, fetched if that may be: `current` was None, or did not know a key.

        Raises:
            IdentityUnavailable: there are none to be had.
        """
        ...


class FixedKeys:
    """Keys that stay as they are."""

    __slots__ = ("current",)

    def __init__(self, keys: KeySet) -> None:
        self.current: KeySet | None = keys
        """The same for ever."""

    async def look_again(self) -> KeySet:
        """The same keys."""
        assert self.current is not None, "given"
        return self.current


class KeySetFile(WatchedFile[KeySet]):
    """Keys in a file, JWKS or PEM, which may change while the gateway runs."""

    def __init__(self, path: Path, *, every: float = LOOK_EVERY) -> None:
        """Load for the first time.

        Raises:
            ConfigurationError: it cannot be read, or a key in it cannot be used.
        """
        super().__init__([path], lambda: keys_of_file(path.read_bytes(), str(path)), every=every)

    @property
    def current(self) -> KeySet | None:
        """The keys as last loaded."""
        return self.value

    async def look_again(self) -> KeySet:
        """The same: a change is found within seconds anyway, and no token shall make the gateway read files."""
        return self.value
