"""Origin: an endpoint's base URL, taken apart once.

Rule: `http://host:port/base` gives the address to connect to, the authority for `Host`, and the
base path that goes before every forwarded path (`/base` + `/users/1`). An address is an allow-
list of one: nothing a client sends can change where the gateway connects.

Source: RFC 3986 section 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from api_gateway.core.errors import ConfigurationError

_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an endpoint is."""

    host: str
    port: int
    secure: bool
    authority: str
    base_path: str

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Raises ConfigurationError where `url` is not an http or https URL of an origin."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigurationError(f"endpoint {url!r}: {error}") from None
        if not _VISIBLE.fullmatch(url):
            raise ConfigurationError(f"endpoint {url!r} holds a character that must be percent-encoded")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"endpoint {url!r} is not of the form http://host:port or https://host:port")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(f"endpoint {url!r} must not hold credentials, a query or a fragment")
        secure = parts.scheme == "https"
        return cls(parts.hostname, port or (443 if secure else 80), secure, parts.netloc, parts.path.rstrip("/"))
