"""Keys: where in the server the answers lie.

    {api-gateway}:cache:1:answers:GET https://shop.example/products    a hash: variant -> answer (`serialisation.py`)
    {api-gateway}:cache:1:tag:products                                 a sorted set: variant and key -> when it lapses

Rule: the prefix, the version of all that is stored, what it is, and the cache's own key or tag as it is: so a purge by
prefix can find them. Gateways of two versions do not see each other's answers, and need not.
The prefix is a hash tag (`redis_link/hash_tag.py`).

Bound: `LONGEST_KEY` bytes of a cache's key; what has a longer one is not kept. A tag longer than `LONGEST_TAG` is cut
to the front half and a digest.
"""

from __future__ import annotations

import hashlib
import re

from api_gateway.caching.redis.serialisation import VERSION
from api_gateway.redis_link.hash_tag import check_prefix

LONGEST_KEY = 4096
LONGEST_TAG = 128

_SPECIAL = re.compile(rb"([*?\[\]\\])")


class Keys:
    """The names of one store's keys."""

    __slots__ = ("_answers", "_tag", "probe")

    def __init__(self, prefix: str) -> None:
        """All begin with `prefix`.

        Raises:
            ValueError: it is empty, or holds a brace.
        """
        check_prefix(prefix)
        self._answers = f"{{{prefix}}}:cache:{VERSION}:answers:".encode()
        self._tag = f"{{{prefix}}}:cache:{VERSION}:tag:".encode()
        self.probe = f"{{{prefix}}}:cache:probe"
        """For a trial."""

    def answers(self, key: str) -> bytes | None:
        """Where the variants of a key lie; None if it is too long to be kept."""
        text = key.encode("utf-8", "surrogatepass")
        return self._answers + text if len(text) <= LONGEST_KEY else None

    def tag(self, tag: str) -> bytes:
        """Where it stands which variants have `tag`."""
        text = tag.encode("utf-8", "surrogatepass")
        if len(text) > LONGEST_TAG:
            text = text[: LONGEST_TAG // 2] + b"#" + hashlib.sha256(text).hexdigest().encode()
        return self._tag + text

    def pattern(self, prefix: str) -> bytes:
        """What a SCAN looks for to find all keys that begin with `prefix`."""
        return _SPECIAL.sub(rb"\\\1", self._answers + prefix.encode("utf-8", "surrogatepass")) + b"*"
