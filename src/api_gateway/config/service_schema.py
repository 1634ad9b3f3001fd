"""Services in the configuration: who is behind the gateway, and how they are asked.

What it does not do: make anything. `build.py` turns this into a `BackendService`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.fields import Duration, EndpointUrl, Weight, choice
from api_gateway.config.load_balancer_schema import LoadBalancerConfig, NoOptions
from api_gateway.config.model import Model


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

    endpoints: tuple[EndpointConfig, ...]
    load_balancer: LoadBalancerConfig = LoadBalancerConfig(round_robin=NoOptions())
    transport: Annotated[Literal["http1", "httpx"], BeforeValidator(choice("transport", "http1", "httpx"))] = "http1"
    timeout: TimeoutConfig = TimeoutConfig()
