"""Overload signs: what the end of a call says about how much the service can take.

| the call ended with                                    | it is     | because                                     |
|--------------------------------------------------------|-----------|---------------------------------------------|
| an answer below 500, but 429                           | a measure | its duration is the service's               |
| 503 or 504                                             | a drop    | the service says that it is too much        |
| 429, or another 5xx                                    | nothing   | a quota or a defect: quick, and no measure  |
| no answer: refused, reset, timeout, deadline           | a drop    | as if it were too much: it may be           |
| `Overloaded` from further in                           | a drop    | another limit says that it is too much      |
| the client left; a hedge lost                          | nothing   | nobody knows how long it would have taken   |
| the gateway's other refusals, before the service       | nothing   | the service was not asked                   |

Rule: a service that answers quickly with errors must not look quick, and one that answers nobody must not look idle.
A cancellation at the deadline is the deadline's, any other the client's.

What it does not do: change a limit. `resilience/adaptive_limit.py` does.

Source: Netflix concurrency-limits (onSuccess, onDropped, onIgnore).
"""

from __future__ import annotations

import asyncio
from enum import Enum

from api_gateway.core.errors import DeadlineExceeded, Overloaded
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamError, UpstreamProtocolError


class Sign(Enum):
    """What a call was."""

    MEASURE = "measure"
    """An answer; its duration counts."""
    DROP = "drop"
    """No answer, or one that says overloaded."""
    NOTHING = "nothing"
    """It says nothing about the service."""


def sign_of_answer(response: Response) -> Sign:
    """What an answer says."""
    status = response.status
    if status < 500 and status != 429:
        return Sign.MEASURE
    return Sign.DROP if status in (503, 504) else Sign.NOTHING


def sign_of_error(error: BaseException, context: RequestContext, now: int) -> Sign:
    """What it says that there is no answer; `now` in monotonic nanoseconds."""
    if isinstance(error, asyncio.CancelledError):
        return Sign.DROP if context.deadline_has_passed(now) else Sign.NOTHING
    if isinstance(error, UpstreamError):
        return Sign.NOTHING if isinstance(error, UpstreamProtocolError) else Sign.DROP
    return Sign.DROP if isinstance(error, Overloaded | DeadlineExceeded) else Sign.NOTHING
