"""Schema: everything a configuration file can say, as types with defaults.

Rule: only `routes` (and the services that they name) must be given; everything else has a sound
default, stated here. After validation durations are seconds, sizes are bytes, and the whole is
frozen.

What it does not do: read files (`load.py`), or build the gateway (`build.py`).
"""

from __future__ import annotations

from pydantic import Field, model_validator

from api_gateway.config.fields import Count, Duration, DurationOrZero, Network, Port, Size, Text
from api_gateway.config.middleware_schema import AccessLogOptions, MiddlewareEntry, RequestIdOptions
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.config.route_schema import RouteConfig
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.config.tls_schema import ListenTlsConfig


class ListenConfig(Model):
    """Where clients connect. Port 0 lets the system choose."""

    host: Text = "127.0.0.1"
    port: Port = 8080
    tls: ListenTlsConfig | None = None
    """HTTPS instead of HTTP."""


class AdminConfig(Model):
    """Where the admin pages are. They tell a lot: keep them on a private address."""

    host: Text = "127.0.0.1"
    port: Port = 9901


class LimitsConfig(Model):
    """What one request, and one client, may take. Connections are counted by each worker for itself."""

    max_body: Size | None = None
    """Bytes of a request body; bodies stream, so there is no limit unless given."""
    max_header_bytes: Size = 32 * 1024
    max_header_fields: Count = 100
    max_target: Size = 8 * 1024
    """Bytes of path and query."""
    head_timeout: Duration = 10.0
    """Seconds for a whole header section."""
    min_body_rate: Size = 256
    """Bytes a second, on average, that a client must send of a body while the gateway waits for it."""
    body_grace: Duration = 10.0
    """Seconds of that waiting for which `min_body_rate` does not hold."""
    max_connections: Count = 10_000
    """Clients connected at once."""
    max_connections_per_address: Count = 2_000
    """Of these from one IPv4 address or one IPv6 /64; `trusted_proxies` may have more."""

    @model_validator(mode="after")
    def _no_share_is_more_than_the_whole(self) -> LimitsConfig:
        share = self.max_connections_per_address
        if "max_connections_per_address" in self.model_fields_set and share > self.max_connections:
            cause = f"max_connections_per_address {share} is more than there may be in all ({self.max_connections})"
            raise Refusal(cause, "lower it, or raise max_connections")
        return self


def _default_middleware() -> tuple[MiddlewareEntry, ...]:
    return (MiddlewareEntry(request_id=RequestIdOptions()), MiddlewareEntry(access_log=AccessLogOptions()))


class GatewayConfig(Model):
    """A whole configuration."""

    listen: ListenConfig = ListenConfig()
    admin: AdminConfig = AdminConfig()
    trusted_proxies: tuple[Network, ...] = ()
    """Only from these networks are X-Forwarded-* and Forwarded believed."""
    limits: LimitsConfig = LimitsConfig()
    drain_timeout: DurationOrZero = 30.0
    """Seconds for which running requests may finish when the gateway stops."""
    services: dict[Text, ServiceConfig] = Field(default_factory=dict)
    middleware: tuple[MiddlewareEntry, ...] = Field(default_factory=_default_middleware)
    """For every request, in order; request id and access log unless given."""
    routes: tuple[RouteConfig, ...]
