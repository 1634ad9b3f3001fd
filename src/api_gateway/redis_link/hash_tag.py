"""Hash tag: the prefix in braces that keeps all keys of a store in one slot of a cluster.

Rule: a script may only touch keys of one slot, and a cluster takes the slot from what stands in the first braces of a
key. So one store is on one node, which its URL must name; several stores, each with its prefix, spread over a cluster.

Source: the Redis cluster specification, "Hash tags".
"""

from __future__ import annotations


def check_prefix(prefix: str) -> None:
    """Refuse what could not be a hash tag.

    Raises:
        ValueError: it is empty, or holds a brace.
    """
    if not prefix or "{" in prefix or "}" in prefix:
        raise ValueError(f"the prefix must be some text without braces, not {prefix!r}")
