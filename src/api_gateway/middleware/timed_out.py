"""Timed out: whether a call that ended without an answer ended because the service let its time pass.

Rule: a service that hangs until the deadline has failed, but what its caller sees is a cancellation, the
same as when the client leaves. It was the deadline if that has passed, and if the service had been asked
at all: a request that spent its time in a queue of the gateway's own says nothing about the service.

What it does not do: know of a timeout that somebody else keeps in secret. Whoever cancels a call for having
waited too long says so by `context.deadline`, or raises `UpstreamTimeout` further in.
"""

from __future__ import annotations

import asyncio

from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.request_context import RequestContext


def timed_out(error: BaseException, context: RequestContext, attempts: int, now: int) -> bool:
    """Whether `error` means that the service, asked after `attempts` earlier ones, let the deadline pass."""
    return (
        isinstance(error, asyncio.CancelledError | DeadlineExceeded)
        and context.attempts > attempts
        and context.deadline_has_passed(now)
    )
