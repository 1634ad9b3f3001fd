"""Cache purge: what an operator wants forgotten, by URL, by the beginning of URLs, or by tag.

    {"url": "https://shop.example/products/7"}      all that is kept for it: every variant, every caller's own
    {"prefix": "https://shop.example/products/"}    every URL that begins so
    {"tag": "sale"}                                 every answer that named the tag (`Cache-Tag`, `Surrogate-Key`)

Rule: a URL is brought into the form in which it stands in keys, a prefix only checked to be one. What is under way
when a purge begins is handed to those who wait for it, and not kept.

What it does not do: reach other processes (`server/cache_admin.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from api_gateway.caching.cache_key import tag_of, uri_of
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest

PurgeKind: TypeAlias = Literal["url", "prefix", "tag"]

_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Purge:
    """What to forget."""

    kind: PurgeKind
    value: str

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: it is empty, or no absolute URL where it must be one.
        """
        if not self.value.strip():
            raise ValueError(f"{self.kind} is empty")
        if self.kind == "url":
            self.uri(CachePolicy())
        elif self.kind == "prefix" and not self.value.startswith(("http://", "https://")):
            raise ValueError("a prefix begins with http:// or https://, and the host")

    def uri(self, policy: CachePolicy) -> str:
        """The URL as it stands in keys under `policy`.

        Raises:
            ValueError: it is no absolute URL.
        """
        parts = urlsplit(self.value)
        if parts.scheme not in _SCHEMES or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise ValueError("a URL is absolute, such as https://shop.example/products/7")
        try:
            path = canonical_path(parts.path or "/")
        except BadRequest as error:
            raise ValueError(error.detail) from None
        return uri_of(parts.scheme, parts.netloc, path, parts.query, policy)

    def keys(self, policy: CachePolicy) -> tuple[str, ...]:
        """The keys that it names."""
        return (self.uri(policy),) if self.kind == "url" else ()

    def tags(self, policy: CachePolicy) -> tuple[str, ...]:
        """The tags that it names: a URL's own, too, which stands for keys with more than the URL in them."""
        if self.kind == "tag":
            return (self.value,)
        return (tag_of(self.uri(policy)),) if self.kind == "url" else ()

    @property
    def prefix(self) -> str:
        """The prefix; empty for any other kind."""
        return self.value if self.kind == "prefix" else ""
