"""CORS origins: which origins a policy means, and which only look like them.

    https://app.example             this origin: scheme, name and port
    https://*.shop.example:8443     every name below shop.example, with this scheme and port
    *                               every origin, `null` too

Rule: what a browser sends is compared byte by byte with what is written, as browsers write it. So a name in other
letters, a default port, a dot behind the name, a user before an `@`, or anything behind the port is another
origin. Under a pattern, what stands for the `*` must be labels of a host name, from end to end: no port, path or
user fits there, so neither `evil-shop.example` nor `shop.example.evil` gets by.

Cost: one look-up in a set; only what is not found there is compared with the patterns, one after the other.

What it does not do: know which domains are open to everybody (`*.github.io`): write no pattern for one.

Source: HTML standard, "serialization of an origin"; RFC 6454 section 6.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from api_gateway.core.errors import ConfigurationError

ANY: Final = "*"
"""Every origin, every method, every header."""

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.\-]*)://"
    r"(?P<pattern>\*\.)?(?P<host>[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_LABELS = re.compile(rb"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LONGEST = 300  # characters: a scheme, a DNS name (253) and a port


class CorsOrigins:
    """The origins of one policy."""

    __slots__ = ("_exact", "_patterns", "any")

    any: bool
    """Whether it is every origin."""

    def __init__(self, origins: Sequence[str]) -> None:
        """`origins` as the module's text shows them.

        Raises:
            ConfigurationError: there is none, or one is not as a browser would write it.
        """
        if not origins:
            raise ConfigurationError("there are no origins")
        for origin in origins:
            check_origin(origin)
        self.any = ANY in origins
        if self.any and len(origins) > 1:
            raise ConfigurationError("'*' is every origin: there is nothing to add to it")
        self._exact = frozenset(origin.encode("ascii") for origin in origins if "*" not in origin)
        self._patterns = [_around_the_star(origin) for origin in origins if "://*." in origin]

    def allow(self, origin: bytes) -> bool:
        """Whether `origin`, as it stands in a request, is one of them."""
        return self.any or origin in self._exact or (bool(self._patterns) and self._fits(origin))

    def _fits(self, origin: bytes) -> bool:
        if len(origin) > _LONGEST:
            return False
        for before, behind in self._patterns:
            if origin.startswith(before) and origin.endswith(behind):
                between = origin[len(before) : -len(behind)]
                if _LABELS.fullmatch(between):
                    return True
        return False


def check_origin(origin: str) -> None:
    """Raises ConfigurationError where no browser would ever send `origin`, or it means too many."""
    if origin == ANY:
        return
    if origin == "null":
        raise ConfigurationError(
            "'null' is the origin of every sandboxed page, so it means anybody; write '*' for that"
        )
    parts = _ORIGIN.fullmatch(origin)
    if parts is None:
        raise ConfigurationError(
            f"{origin!r} is not an origin: write scheme://host or scheme://host:port in lower case, with no path and "
            "no slash at the end; non-ASCII names as xn--..."
        )
    scheme, port, host = parts["scheme"], parts["port"], parts["host"]
    if port and port == _DEFAULT_PORTS.get(scheme):
        raise ConfigurationError(f"{origin!r} has the default port of {scheme}, which browsers leave out: write none")
    if parts["pattern"] and ("." not in host or host.startswith("[")) and host != "localhost":
        raise ConfigurationError(f"{origin!r} means everybody under a top-level domain: name a domain below it")


def _around_the_star(origin: str) -> tuple[bytes, bytes]:
    before, _, behind = origin.partition("*")
    return before.encode("ascii"), behind.encode("ascii")
