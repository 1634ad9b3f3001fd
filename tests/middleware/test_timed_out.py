"""Timed out: the deadline told from a client that leaves, and the service's time from the gateway's own."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway.core.errors import DeadlineExceeded, Overloaded
from api_gateway.core.request_context import TICK, RequestContext
from api_gateway.middleware.timed_out import timed_out

DEADLINE = 1_000_000_000


def context(attempts: int = 1, deadline: int | None = DEADLINE) -> RequestContext:
    made = RequestContext()
    made.attempts, made.deadline = attempts, deadline
    return made


@pytest.mark.parametrize("error", [asyncio.CancelledError(), DeadlineExceeded()])
def test_a_call_that_ends_at_the_deadline_or_a_tick_before_has_timed_out(error: BaseException) -> None:
    assert timed_out(error, context(), 0, DEADLINE)
    assert timed_out(error, context(), 0, DEADLINE - TICK)
    assert not timed_out(error, context(), 0, DEADLINE - TICK - 1)


def test_without_a_deadline_it_is_the_client_that_left() -> None:
    assert not timed_out(asyncio.CancelledError(), context(deadline=None), 0, 10 * DEADLINE)


def test_whoever_was_not_asked_has_not_let_any_time_pass() -> None:
    assert not timed_out(asyncio.CancelledError(), context(attempts=2), 2, DEADLINE)


def test_another_error_at_that_time_is_another_error() -> None:
    assert not timed_out(Overloaded(), context(), 0, DEADLINE)
