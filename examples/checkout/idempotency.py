"""Idempotency keys: the same key and the same body are the same request, however often it is sent.

| key is          | body     | then                                 |
|-----------------|----------|--------------------------------------|
| new             |          | the work begins                      |
| being worked on | the same | `StillRunning`, 409                  |
| finished        | the same | the first answer again               |
| known           | another  | `OtherBody`, 422                     |

Rule: an answer is kept with a digest of the body, for `keep` seconds, of at most `most` finished requests. Failures
are kept like successes: whoever wants another try takes a new key.

What it does not do: outlive the process, or know what other gateways do. Where that matters, this is a table with a
unique index on the key.

Source: draft-ietf-httpapi-idempotency-key-header, sections 2.1 and 2.7; RFC 8941 3.3.3 (strings).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import NamedTuple

from api_gateway import Request
from api_gateway.core.clock import NANOSECONDS, Clock

KEEP = 24 * 3600.0
MOST = 10_000

_QUOTED = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"')
_BARE = re.compile(r"[A-Za-z0-9_.:+/=-]{1,255}")


class KeyMissing(ValueError):
    """There is no usable key; `str()` says why."""


class StillRunning(Exception):
    """The first request with this key has not been answered yet."""


class OtherBody(Exception):
    """This key belongs to a request with another body."""


class Answer(NamedTuple):
    """What the first request was answered."""

    status: int
    content_type: str
    body: bytes


class _Finished(NamedTuple):
    digest: bytes
    answer: Answer
    expires: int


def idempotency_key(request: Request) -> str:
    """The request's key: a string in quotes, as the draft has it, or without them, as many clients send it.

    Raises:
        KeyMissing: there is none, more than one, or one that is not a key.
    """
    values = request.headers.get_all("idempotency-key")
    if len(values) != 1:
        raise KeyMissing("send one Idempotency-Key, a value that no other checkout of yours has")
    quoted = _QUOTED.fullmatch(values[0])
    if quoted is not None:
        return quoted[1]
    if _BARE.fullmatch(values[0]):
        return values[0]
    raise KeyMissing('Idempotency-Key is a string in quotes, such as "8e03978e-40d5-43dd", of at most 255 characters')


class IdempotencyKeys:
    """The keys of the last requests."""

    def __init__(self, clock: Clock, *, keep: float = KEEP, most: int = MOST) -> None:
        self._clock = clock
        self._keep = round(keep * NANOSECONDS)
        self._most = most
        self._running: dict[str, bytes] = {}
        self._finished: OrderedDict[str, _Finished] = OrderedDict()

    @property
    def running(self) -> int:
        """How many requests are being worked on."""
        return len(self._running)

    def known(self, key: str, digest: bytes) -> Answer | None:
        """The answer to `key`; None if it is new.

        Raises:
            StillRunning: the answer is not there yet.
            OtherBody: the first request had another body.
        """
        self._forget_the_oldest()
        finished = self._finished.get(key)
        first = finished.digest if finished is not None else self._running.get(key)
        if first is None:
            return None
        if first != digest:
            raise OtherBody
        if finished is None:
            raise StillRunning
        return finished.answer

    def begin(self, key: str, digest: bytes) -> None:
        """From now on `key` is being worked on."""
        self._running[key] = digest

    def finish(self, key: str, answer: Answer) -> None:
        """`key` has its answer."""
        self._finished[key] = _Finished(self._running.pop(key), answer, self._clock.monotonic() + self._keep)
        self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        now = self._clock.monotonic()
        while self._finished:
            oldest = next(iter(self._finished))
            if len(self._finished) <= self._most and self._finished[oldest].expires > now:
                return
            del self._finished[oldest]
