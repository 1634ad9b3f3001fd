"""Verdicts: what the rules of the cache can say, each a value.

    before the service is asked (`decision.py`)        after it has answered or failed (`after_answer.py`)
    |-- Serve           answer with this               |-- Store        keep this answer, once its body is whole
    |-- Validate        ask whether it still holds     |-- Merge        it still holds: keep and serve the update
    |-- Forward         ask the service                |-- Refetch      its 304 fits nothing here: ask again
    `-- Unsatisfiable   504, nobody may be asked       |-- Invalidate   forget these
                                                       |-- Serve        stale, in place of the failure
                                                       `-- Nothing      pass it on

Rule: tuples, because one or two are made for every request. Whoever gets one does what it says and decides nothing.
Those of the common request are made by `tuple.__new__`, which takes half of what a NamedTuple's own function takes.

What it does not do: decide, or touch a store, a service or a client.

Source: RFC 9111 section 4 for the first, sections 3 and 4.3 for the second; RFC 9211 for the reasons.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from api_gateway.caching.stored_response import StoredResponse
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request

Reason: TypeAlias = Literal["bypass", "method", "uri-miss", "vary-miss", "request", "stale"]
"""Why a request goes to the service, in the words of RFC 9211 2.2."""


class Serve(NamedTuple):
    """Answer with this: whole, in part (206), that nothing has changed (304), or that no such part is there (416)."""

    status: int
    headers: Headers
    """Complete: `Age` is in it, and as the last one `Cache-Status`."""
    body: bytes
    """Empty for HEAD, whatever the `Content-Length`."""
    stored: StoredResponse
    refresh: bool = False
    """Whether to fetch it anew in the background: `decision.refresh` says how."""
    stale: bool = False


class Validate(NamedTuple):
    """Ask the service whether `stored` still holds."""

    stored: StoredResponse
    request: Request
    """To send: the client's, with our validators in place of its own."""
    reason: Reason
    collapsible: bool
    """Whether others who ask for the same may wait for the answer: it will be whole."""


class Forward(NamedTuple):
    """Ask the service as the client asks."""

    request: Request
    reason: Reason
    collapsible: bool = False
    """Whether others who ask for the same may wait for the answer: it will be whole, and perhaps storable."""
    stored: StoredResponse | None = None
    """What would have been served, were it not stale; for `after_failure`, and for the answer to a HEAD."""


class Unsatisfiable(NamedTuple):
    """The client wants only what is cached, and nothing is (RFC 9111 5.2.1.7): 504."""

    reason: Reason


Decision: TypeAlias = Serve | Validate | Forward | Unsatisfiable


class Store(NamedTuple):
    """Keep the answer if its body comes to its end."""

    head: StoredResponse
    """All of it but the body; with it, if it was all there already."""
    lifetime: float
    """For `CacheStore.put`: seconds after which it is of no use any more."""
    ttl: int
    """Seconds for which it is fresh, for `Cache-Status`; negative if it is stale already."""
    shareable: bool
    """Whether it may be used again at once, without validation."""
    announced: bytes | None
    """`Content-Length` as it came; None without one."""
    tagged: bool
    """Whether some of its fields name its tags: they are for caches, not for clients."""

    def complete(self, body: bytes) -> StoredResponse:
        """What to put into the store."""
        return self.head.with_body(body)


class Merge(NamedTuple):
    """The stored answer holds, with newer fields: put it, and answer with it."""

    stored: StoredResponse
    lifetime: float
    """For `CacheStore.put`; 0 if it must not be kept any longer: then delete the key."""
    answer: Serve | None
    """For the client; None if the service's own answer is what it gets (to a HEAD)."""


class Invalidate(NamedTuple):
    """Forget what is kept under `keys` and `tags`, and pass the answer on."""

    keys: tuple[str, ...]
    tags: tuple[str, ...] = ()


class Refetch(NamedTuple):
    """A 304 for something that is not kept here: close it, and send `request`, which has no conditions of ours."""

    request: Request


class Nothing(NamedTuple):
    """Pass the answer on and keep nothing."""

    why: str
    """For people: why it is not kept."""


NEVER_USED = Nothing("it could never be used")

Outcome: TypeAlias = Store | Merge | Refetch | Invalidate | Serve | Nothing
