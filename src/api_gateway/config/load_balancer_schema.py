"""Load balancers in the configuration: who of a service's endpoints gets the next request.

    load_balancer: least_connections
    load_balancer: {consistent_hash: {key: "header:X-Tenant"}}     # or client_ip (unless given), or path

Rule: each field of `LoadBalancerConfig` is one policy, its type is what may stand behind the name, and
exactly one is set. `build_load_balancers.py` has a factory for each, under the same name.

What it does not do: look at weights. A policy that ignores them is no mistake: one may try several.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import (
    BeforeValidator,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.fields import text
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.config.request_key import request_key

CLIENT_IP = "client_ip"
PATH = "path"

HashKeyName: TypeAlias = Annotated[str, BeforeValidator(request_key(CLIENT_IP, PATH))]


class NoOptions(Model):
    """Nothing to choose."""


class ConsistentHashOptions(Model):
    """What decides where a request belongs."""

    key: HashKeyName = CLIENT_IP
    """`client_ip`, `path` or `header:NAME`."""


class LoadBalancerConfig(Model):
    """One policy and its options: a bare name, or one key."""

    round_robin: NoOptions | None = None
    weighted_round_robin: NoOptions | None = None
    random: NoOptions | None = None
    least_connections: NoOptions | None = None
    power_of_two_choices: NoOptions | None = None
    peak_ewma: NoOptions | None = None
    consistent_hash: ConsistentHashOptions | None = None

    @property
    def name(self) -> str:
        """Which policy."""
        (name,) = self.model_fields_set
        return name

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: object) -> object:
        if isinstance(data, str):
            data = {text(data): None}
        if not isinstance(data, dict) or len(data) != 1:
            found = shown(data) if not isinstance(data, dict) else f"{len(data)} keys"
            raise Refusal(f"expected one load_balancer, not {found}", "write a name, or one 'name: options'")
        ((name, options),) = data.items()
        if name not in cls.model_fields:
            remedy = did_you_mean(str(name), cls.model_fields, "there are")
            raise Refusal(f"unknown load_balancer {name!r}", remedy)
        return {name: {} if options is None else options}

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {self.name: handler(self)[self.name]}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        named = handler.resolve_ref_schema(handler(core_schema))["properties"]
        one = {"properties": named, "type": "object", "minProperties": 1, "maxProperties": 1}
        return {
            "anyOf": [{"enum": list(cls.model_fields)}, {**one, "additionalProperties": False}],
            "title": "LoadBalancerConfig",
        }
