"""Linked store: what operators see of a server that a store keeps its things on, for /metrics and the log.

What it does not do: ask it. Each store has its own questions.
"""

from __future__ import annotations

from api_gateway.redis_link.uplink import Uplink


class LinkedStore:
    """A store behind one uplink."""

    _uplink: Uplink

    @property
    def shown(self) -> str:
        """The server's address, without what must not be shown."""
        return self._uplink.shown

    @property
    def reachable(self) -> bool:
        """Whether there is a link to the server just now."""
        link = self._uplink.link
        return link is not None and not link.lost

    @property
    def outages(self) -> int:
        """How often the server went out of reach."""
        return self._uplink.outages

    @property
    def errors(self) -> int:
        """Requests that the server answered with an error of their own; the store counts them as not answered, too."""
        return self._uplink.errors

    @property
    def repeated(self) -> int:
        """Requests that were sent twice, because the server did not know, or no longer knew, the script."""
        return self._uplink.repeated
