"""Request: one command on its way to the server, and who waits for its reply.

Rule: the command is packed once, in pieces; if the server does not know the script, the same pieces go out
again with the script's text in place of its digest. A request without a future wants no reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api_gateway.redis_link.script import Script


class StoreFailed(Exception):
    """The server did not answer this request, or with an error; the text says why."""


class Request:
    """A call of a script, or, without one, another command."""

    __slots__ = ("body", "future", "head", "script", "since")

    def __init__(
        self,
        head: bytes,
        script: Script | None,
        body: bytes,
        future: asyncio.Future[Sequence[int]] | None,
        since: float,
    ) -> None:
        """`head` is how many parts the command has, `body` what stands behind the script; see `resp.py`."""
        self.head = head
        self.script = script
        self.body = body
        self.future = future
        self.since = since
        """When it was asked, in seconds of the event loop's clock."""

    def packed(self) -> bytes:
        """The command, as it is sent first."""
        script = self.script
        return self.body if script is None else self.head + script.by_sha + self.body

    def packed_with_source(self, script: Script) -> bytes:
        """The command with all that the server needs to know."""
        return self.head + script.by_source + self.body
