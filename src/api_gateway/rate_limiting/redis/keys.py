"""Keys: where in the server the state of one key of one limit lies.

    {api-gateway}:1:gcra:600000-1:per-minute:192.0.2.7

Rule: the prefix, the version of the scripts, the algorithm, what the numbers in the state mean, the limit's
name, the caller's key. So a limit that changes its algorithm or its rate begins anew and never misreads what
the old one left; one that changes only its size keeps its states. The name is percent-encoded, so that no
name and key together look like another pair.

The prefix is in braces, a hash tag: all keys of a store fall into one slot of a cluster, because a script may
only touch keys of one slot, and the limits of one request have keys of any kind. So one store is on one node,
which its URL must name; several stores, each with its prefix, spread over a cluster.

Bound: 128 bytes of the caller's key. A longer one is cut to 64 and a digest: keys come from outside, and the
server's memory must not grow by what a header can hold.

Source: the Redis cluster specification, "Hash tags".
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.redis.numbers import Numbers

VERSION = 1
"""Of what the scripts store; a change of it starts every limit anew."""
LONGEST = 128
"""Bytes of a caller's key that are kept as they are."""


def check_prefix(prefix: str) -> None:
    """Refuse what could not be a hash tag.

    Raises:
        ValueError: it is empty, or holds a brace.
    """
    if not prefix or "{" in prefix or "}" in prefix:
        raise ValueError(f"the prefix must be some text without braces, not {prefix!r}")


def head_of(prefix: str, limit: Limit, numbers: Numbers) -> bytes:
    """What the keys of `limit` begin with."""
    name = quote(limit.name, safe="", errors="surrogatepass")
    return f"{{{prefix}}}:{VERSION}:{limit.algorithm}:{numbers.units}:{name}:".encode()


def tail_of(key: str) -> bytes:
    """What the key of one caller ends with; different for different keys."""
    text = key.encode("utf-8", "surrogatepass")
    if len(text) <= LONGEST:
        return text
    return text[:64] + b"#" + hashlib.sha256(text).hexdigest().encode()
