"""The fix: read the folder once, and look names up in a dictionary.

Why: what an unauthenticated caller sends is data, and data must not become a path, a query or an address. Cleaning is a
race against encodings (`....//`, absolute paths, NUL, a sibling folder with the same beginning). A dictionary has
exactly the keys that were put into it: there is nothing to escape from, and no file is touched for a request.

What it costs: a new key counts only after a reload, so rotation needs one: the package watches its files. The same
holds for keys from an address: an unknown `kid` may be the reason for one refresh now and then, never for one each (a
storm of made-up names would be passed on to the issuer), and `jku` or `x5u` in a token are never followed.
"""

from __future__ import annotations

from pathlib import Path


class KeyFolder:
    """The public keys of all who may sign."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds a file `<kid>.pem` for each key."""
        self._keys = {file.stem: file.read_bytes() for file in folder.glob("*.pem")}

    def key(self, kid: str) -> bytes | None:
        """The key of that name; None if there is none."""
        return self._keys.get(kid)
