"""RequestContext: what the gateway has found out about one request so far.

Rule: one context a request, passed beside it through every Handler. Each fact has its own named
and typed slot, written by one place and read by those further on (the access log reads most).
There is no bag of anything-goes attributes: a misspelt fact is an error at once, not a `None`
three files away.

Attempts that run beside each other must not write into the same slots: each but the first has a `fork`,
and what the fork of the winner found out is taken over with `adopt`.

What it does not do: live longer than the request, or be shared between two.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.core.client_certificate import ClientCertificate
from api_gateway.core.identity import Identity

_NO_PARAMETERS: Mapping[str, str] = {}
_NOTHING: frozenset[bytes] = frozenset()


TICK = 10_000_000
"""Nanoseconds by which timers may be early."""


class RequestContext:
    """Facts about one request, in the order in which they become known."""

    __slots__ = (
        "attempts",
        "client_address",
        "client_certificate",
        "deadline",
        "endpoint",
        "error",
        "error_code",
        "flag",
        "http_version",
        "identity",
        "path_parameters",
        "peer_address",
        "request_id",
        "route",
        "scheme",
        "service",
        "started",
        "trace_id",
        "tried",
        "upstream_duration",
        "upstream_host",
        "withheld",
    )

    started: int
    """When the gateway took the request: monotonic nanoseconds."""
    peer_address: str
    """Address of whoever is at the other end of the connection, without its port; empty in-process."""
    client_address: str
    """Address of the client as far as trusted proxies vouch for it; else the peer's."""
    scheme: str
    """`http` or `https`, as the client used it."""
    http_version: str
    """The client's version, `1.0` or `1.1`; empty in-process."""
    request_id: str
    """Identifies this request in every log; empty until assigned."""
    trace_id: str
    """The W3C trace this request belongs to: 32 hexadecimal digits; empty until assigned."""
    client_certificate: ClientCertificate | None
    """The certificate that the client proved to own while connecting; None without one."""
    identity: Identity | None
    """Who is calling, as authentication has proved; None until it has. Never what a client merely says."""
    deadline: int | None
    """Monotonic nanoseconds after which nobody waits for the answer."""
    route: str
    """Name of the route that matched; empty if none did."""
    path_parameters: Mapping[str, str]
    """Decoded values of the route's `{name}` segments."""
    service: str
    """Name of the service that was asked; empty if none was."""
    endpoint: str
    """URL of the endpoint that was asked last."""
    attempts: int
    """How often an endpoint was asked."""
    tried: tuple[str, ...]
    """URLs of endpoints that have been asked for this request, and that the next attempt had better avoid."""
    upstream_duration: int
    """Nanoseconds spent waiting for response heads, over all attempts."""
    upstream_host: str
    """The `Host` to send to the service; empty for the endpoint's own authority."""
    withheld: frozenset[bytes]
    """Names of request headers that no service gets: they hold credentials that were meant for the gateway."""
    flag: str
    """Who failed, in Envoy's letters (`UT`, `NR`, ...); `-` when nobody did."""
    error: str
    """What the gateway answered itself, as a sentence for the log; empty otherwise."""
    error_code: str
    """The machine-readable code of that; empty otherwise."""

    def __init__(self, started: int = 0, peer_address: str = "", scheme: str = "http", http_version: str = "") -> None:
        self.started = started
        self.peer_address = peer_address
        self.client_address = peer_address
        self.scheme = scheme
        self.http_version = http_version
        self.request_id = ""
        self.trace_id = ""
        self.client_certificate = None
        self.identity = None
        self.deadline = None
        self.route = ""
        self.path_parameters = _NO_PARAMETERS
        self.service = ""
        self.endpoint = ""
        self.attempts = 0
        self.tried = ()
        self.upstream_duration = 0
        self.upstream_host = ""
        self.withheld = _NOTHING
        self.flag = "-"
        self.error = ""
        self.error_code = ""

    @property
    def tier(self) -> str:
        """The caller's tier, such as `gold`, as the proven identity says; empty without one."""
        return self.identity.tier if self.identity is not None else ""

    def fork(self) -> RequestContext:
        """A copy for an attempt beside this one: what either finds out from now on, the other does not see."""
        copy = RequestContext.__new__(RequestContext)
        copy.adopt(self)
        return copy

    def adopt(self, other: RequestContext) -> None:
        """Take over every fact of `other`, whose attempt gave the answer."""
        for name in RequestContext.__slots__:
            setattr(self, name, getattr(other, name))

    def deadline_has_passed(self, now: int) -> bool:
        """Whether at `now` nobody waits any more.

        A timer of an event loop is at home in a tick of it, not in a nanosecond, so the deadline counts as
        passed `TICK` before. Who leaves just then would not have had an answer either.
        """
        return self.deadline is not None and now >= self.deadline - TICK

    def __repr__(self) -> str:
        known = ((name, getattr(self, name)) for name in self.__slots__)
        return "RequestContext(" + ", ".join(f"{name}={value!r}" for name, value in known if value) + ")"
