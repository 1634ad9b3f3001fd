"""Stored response: one answer of a service, complete, as the cache keeps it.

Rule: a value. Merging a 304 into one, or dropping a field, makes another. Only whole answers become one: what was
cut, or is a part of a representation, never does.

Times are the wall clock's, in seconds since 1970, because a shared store outlives a process.

What it does not do: say whether it may be used. `freshness.py` and its neighbours decide that.

Source: RFC 9111 sections 3 and 4.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from api_gateway.caching.cache_control import ResponseDirectives
from api_gateway.caching.freshness import Facts, facts_of
from api_gateway.core.headers import Headers

SelectingFields = tuple[tuple[str, tuple[str, ...]], ...]
"""For each request field that `Vary` names, in lower case and sorted: its normalised members (RFC 9111 4.1)."""


@dataclass(slots=True, eq=False)
class StoredResponse:
    """An answer to a GET, and what is needed to use it again.

    Nobody changes one. It is not frozen, because that would take 2 us more for every answer that is kept.
    """

    status: int
    headers: Headers
    """As received, less what must not be stored (RFC 9111 3.1)."""
    body: bytes
    asked_at: float
    """When the request was sent: `request_time` of RFC 9111 4.2.3."""
    answered_at: float
    """When the head of the answer came: `response_time`."""
    selecting: SelectingFields = ()
    """The request fields for which it is the answer; empty without `Vary`."""
    tags: tuple[str, ...] = ()
    """Names under which a group of answers is purged at once."""
    _facts: Facts | None = field(default=None, init=False, repr=False)

    @property
    def facts(self) -> Facts:
        """What it says about its own use; read at the first look, because it never changes."""
        facts = self._facts
        return self.read() if facts is None else facts

    def read(self, directives: ResponseDirectives | None = None) -> Facts:
        """Read the facts, for whoever has read its directives already."""
        facts = facts_of(self.status, self.headers, self.asked_at, self.answered_at, directives)
        self._facts = facts
        return facts

    def with_body(self, body: bytes) -> StoredResponse:
        """This answer with another body."""
        other = StoredResponse(
            self.status, self.headers, body, self.asked_at, self.answered_at, self.selecting, self.tags
        )
        other._facts = self._facts
        return other

    @property
    def effort(self) -> float:
        """Seconds that it took to get it: what an early refresh weighs (`early_refresh.py`)."""
        return max(0.0, self.answered_at - self.asked_at)
