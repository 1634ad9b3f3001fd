"""Failures by name: what `on:` may say in `retry` and `fallback`, and which errors each name means.

    connect_error     nothing of the request was sent: refused, unresolvable, no connection in time
    reset             the service closed the connection before it had answered
    timeout           it had the request, and did not answer in time
    protocol_error    what it answered is not HTTP
    circuit_open, no_healthy_endpoint, overloaded, deadline_exceeded, limits_unavailable
                      the gateway refused by itself, and the service was not asked, or not to the end

A number in `on:` is a status that the client would get: the service's own answer, or what the gateway makes of
having none. So 502 covers `reset` and 504 `timeout`, as Envoy's `gateway-error` does; the names are for whoever
wants only one of them.

Rule: `connect_error` is any error of a service that says it was not `sent`, whatever its class: that, and not
the way in which it failed, is what makes it safe to ask again.

What it does not do: decide. `retry.py` and `fallback.py` do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from api_gateway.core.errors import (
    CircuitOpen,
    DeadlineExceeded,
    GatewayError,
    LimitsUnavailable,
    NoHealthyEndpoint,
    Overloaded,
)
from api_gateway.core.upstream_errors import UpstreamError, UpstreamProtocolError, UpstreamReset, UpstreamTimeout

CONNECT_ERROR = "connect_error"

SERVICE_FAILURES: Mapping[str, type[UpstreamError]] = {
    CONNECT_ERROR: UpstreamError,
    "reset": UpstreamReset,
    "timeout": UpstreamTimeout,
    "protocol_error": UpstreamProtocolError,
}
"""The service was asked, and gave no usable answer."""

REFUSALS: Mapping[str, type[GatewayError]] = {
    "circuit_open": CircuitOpen,
    "no_healthy_endpoint": NoHealthyEndpoint,
    "overloaded": Overloaded,
    "deadline_exceeded": DeadlineExceeded,
    "limits_unavailable": LimitsUnavailable,
}
"""The gateway said no."""


def failure_name(error: GatewayError) -> str:
    """The name of an error, empty for those that have none here: a client's own, and the gateway's defects."""
    if isinstance(error, UpstreamError) and not error.sent:
        return CONNECT_ERROR
    for names in (SERVICE_FAILURES, REFUSALS):
        for name, kind in names.items():
            if name != CONNECT_ERROR and isinstance(error, kind):
                return name
    return ""


class Failures:
    """Some failures: names, and statuses."""

    __slots__ = ("names", "statuses")

    def __init__(self, failures: Iterable[str | int], known: Collection[str]) -> None:
        """`failures` are names out of `known`, and statuses.

        Raises:
            ValueError: there is none, or one that does not exist.
        """
        listed = tuple(failures)
        self.names = frozenset(failure for failure in listed if isinstance(failure, str))
        self.statuses = frozenset(failure for failure in listed if isinstance(failure, int))
        if not listed:
            raise ValueError("there must be at least one failure to act on")
        for name in sorted(self.names):
            if name not in known:
                raise ValueError(f"there is no failure {name!r} here: write one of {', '.join(known)}, or a status")

    @property
    def listed(self) -> list[str | int]:
        """All of them, names first."""
        return [*sorted(self.names), *sorted(self.statuses)]

    def include(self, error: GatewayError) -> bool:
        """Whether `error` is one of them."""
        return error.status in self.statuses or failure_name(error) in self.names
