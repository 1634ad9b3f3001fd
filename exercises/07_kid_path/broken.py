"""Keys by the name that a token gives: a file for each."""

from __future__ import annotations

from pathlib import Path


class KeyFolder:
    """The public keys of all who may sign."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds a file `<kid>.pem` for each key."""
        self._folder = folder

    def key(self, kid: str) -> bytes | None:
        """The key of that name; None if there is none."""
        file = self._folder / f"{kid}.pem"
        if not file.exists():
            return None
        return file.read_bytes()
