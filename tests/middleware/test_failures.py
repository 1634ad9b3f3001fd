"""Failures by name: each error has one name or none, and statuses cover what the gateway makes of them."""

from __future__ import annotations

import pytest

from api_gateway.core.errors import (
    BadRequest,
    CircuitOpen,
    DeadlineExceeded,
    GatewayError,
    InternalError,
    LimitsUnavailable,
    NoHealthyEndpoint,
    Overloaded,
    RateLimited,
)
from api_gateway.core.upstream_errors import (
    ConnectFailed,
    ConnectTimeout,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamReset,
    UpstreamTimeout,
)
from api_gateway.middleware.failures import REFUSALS, SERVICE_FAILURES, Failures, failure_name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConnectFailed(), "connect_error"),
        (ConnectTimeout(), "connect_error"),
        (UpstreamReset(sent=False), "connect_error"),
        (UpstreamTimeout(sent=False), "connect_error"),
        (UpstreamReset(), "reset"),
        (UpstreamTimeout(), "timeout"),
        (UpstreamProtocolError(), "protocol_error"),
        (CircuitOpen(), "circuit_open"),
        (NoHealthyEndpoint(), "no_healthy_endpoint"),
        (Overloaded(), "overloaded"),
        (DeadlineExceeded(), "deadline_exceeded"),
        (LimitsUnavailable(), "limits_unavailable"),
        (UpstreamError(), ""),
        (InternalError(), ""),
        (BadRequest(), ""),
        (RateLimited(), ""),
    ],
)
def test_each_error_has_one_name_or_none(error: GatewayError, name: str) -> None:
    assert failure_name(error) == name


def test_every_name_is_the_name_of_something() -> None:
    names = {*SERVICE_FAILURES, *REFUSALS}
    errors = [kind() for kind in (*SERVICE_FAILURES.values(), *REFUSALS.values())]
    assert {failure_name(error) for error in errors} | {"connect_error"} == names | {""}


def test_a_status_covers_what_the_client_would_get() -> None:
    failures = Failures(["reset", 504], SERVICE_FAILURES)
    included = [UpstreamReset(), UpstreamTimeout(), ConnectTimeout(), DeadlineExceeded()]
    assert all(failures.include(error) for error in included)
    assert not any(failures.include(error) for error in (ConnectFailed(), UpstreamProtocolError(), CircuitOpen()))


def test_a_name_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no failure 'rest' here: write one of connect_error, reset, timeout"):
        Failures(["rest"], SERVICE_FAILURES)
    with pytest.raises(ValueError, match="at least one"):
        Failures([], SERVICE_FAILURES)
