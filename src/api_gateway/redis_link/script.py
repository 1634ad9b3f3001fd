"""Script: a text in Lua that the server runs in one go, before any other command.

Rule: the server calls a script by the SHA-1 of its text: EVALSHA, and EVAL when it does not know it yet, or any
more (`link.py`). Both heads are packed once.

What it does not do: load scripts beforehand. The first call finds it unknown, and brings it along.

Source: the Redis manual, "Scripting with Lua".
"""

from __future__ import annotations

import hashlib

from api_gateway.redis_link.resp import bulks


class Script:
    """A script, and how it is called on the wire."""

    __slots__ = ("by_sha", "by_source", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.by_sha = bulks("EVALSHA", hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
        self.by_source = bulks("EVAL", source)
