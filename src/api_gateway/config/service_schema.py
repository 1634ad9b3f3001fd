"""Services in the configuration: who is behind the gateway, and how they are asked.

What it does not do: make anything. `build.py` turns this into a `BackendService`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.circuit_breaker_schema import CircuitBreakerConfig
from api_gateway.config.concurrency_schema import ConcurrencyConfig
from api_gateway.config.fallback_schema import FallbackConfig
from api_gateway.config.fields import Duration, Weight, choice
from api_gateway.config.health_schema import (
    HealthCheckConfig,
    OutlierDetectionConfig,
    SlowStartConfig,
)
from api_gateway.config.hedge_schema import HedgeConfig
from api_gateway.config.http_fields import EndpointUrl
from api_gateway.config.load_balancer_schema import LoadBalancerConfig, NoOptions
from api_gateway.config.model import Model
from api_gateway.config.retry_schema import RetryConfig
from api_gateway.config.share import ShareOrZero
from api_gateway.config.throttle_schema import ThrottleConfig
from api_gateway.config.tls_schema import ServiceTlsConfig


class EndpointConfig(Model):
    """One instance: `http://host:port`, or `{url: ..., weight: 5}`."""

    url: EndpointUrl
    weight: Weight = 1
    """Its share of the traffic, relative to its siblings, for balancers that go by weight; others ignore it."""

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, data: object) -> object:
        return {"url": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "format": "uri"}, handler.resolve_ref_schema(handler(core_schema))]}


class TimeoutConfig(Model):
    """How long a transport waits, in seconds; see `transport.transport.Timeouts`."""

    connect: Duration = 1.0
    request: Duration = 15.0
    idle: Duration = 60.0


class ServiceConfig(Model):
    """One service."""

    kind: ClassVar[str] = "service"

    endpoints: tuple[EndpointConfig, ...] = ()
    """Who answers for it; none where the service is given in-process."""
    load_balancer: LoadBalancerConfig = LoadBalancerConfig(round_robin=NoOptions())
    transport: Annotated[Literal["http1", "httpx"], BeforeValidator(choice("transport", "http1", "httpx"))] = "http1"
    timeout: TimeoutConfig = TimeoutConfig()
    tls: ServiceTlsConfig | None = None
    """How its `https` endpoints prove who they are; by the system's authorities unless given."""

    # Around every call of it, outermost first (`SERVICE_LAYERS` in build.py).
    fallback: FallbackConfig | None = None
    """What is answered instead of a failure."""
    retry: RetryConfig | None = None
    """Sending a failed request again, where that is safe."""
    hedge: HedgeConfig | None = None
    """A second request when the first is slow."""
    throttle: ThrottleConfig | None = None
    """Sending less to a service that refuses much."""
    circuit_breaker: CircuitBreakerConfig | None = None
    """Leaving a failing service alone for a while."""
    concurrency: ConcurrencyConfig | None = None
    """No more requests in flight than this."""

    # Of its endpoints.
    health_check: HealthCheckConfig | None = None
    """Asking endpoints how they are."""
    outlier_detection: OutlierDetectionConfig | None = None
    """Passing over endpoints that keep failing."""
    slow_start: SlowStartConfig | None = None
    """Giving those that are new or back their share little by little."""
    panic_threshold: ShareOrZero = 0.5
    """The share of healthy endpoints below which all are used; 0 for never."""
