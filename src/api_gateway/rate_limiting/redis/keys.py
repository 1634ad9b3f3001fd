"""Keys: where in the server the state of one key of one limit lies.

    {api-gateway}:1:gcra:600000-1:per-minute:192.0.2.7

Rule: the prefix, the version of the scripts, the algorithm, what the numbers in the state mean, the limit's
name, the caller's key. So a limit that changes its algorithm or its rate begins anew and never misreads what
the old one left; one that changes only its size keeps its states. The name is percent-encoded, so that no
name and key together look like another pair.

The prefix is in braces, a hash tag (`redis_link/hash_tag.py`), because the limits of one request have keys of any
kind.

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
