"""Routes in the configuration: which requests go to which service.

Rule: what can be judged looking at one key is judged here; what needs two keys or two routes,
in `cross_checks.py`. `make_route` gives the router's own object, so that a check and the running
gateway cannot differ.

What it does not do: decide between routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError

from api_gateway.backend.aggregator import MAX_PARALLEL, METHODS
from api_gateway.config.aggregate_schema import AggregateConfig, Parts, ResponseShape
from api_gateway.config.fields import Count, Flag, Text, text
from api_gateway.config.http_fields import HeaderName, HostHeader, HostPattern, Method, PathPattern, RegularExpression
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.core.middleware import Middleware
from api_gateway.routing.predicates import Exactly, Matching, Present, ValuePredicate
from api_gateway.routing.route import Route


class ValueDemand(Model):
    """What a header or query parameter must be: a text, `{present: true}` or `{regex: "..."}`."""

    exact: str | None = None
    present: Flag | None = None
    regex: RegularExpression | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_demand(cls, data: object) -> object:
        if not isinstance(data, dict):
            return {"exact": data if data == "" else text(data)}
        if len(data) == 1 and data.get("present", True) in (True, "true"):
            return data
        remedy = "write a text, {present: true} or {regex: '...'}"
        if "present" in data and len(data) == 1:
            raise Refusal(f"present cannot be {shown(data['present'])}", remedy)
        raise Refusal(f"expected one demand, not {len(data)}", remedy)

    @property
    def predicate(self) -> ValuePredicate:
        """The demand as the router takes it."""
        if self.exact is not None:
            return Exactly(self.exact)
        return Matching.compile(self.regex) if self.regex is not None else Present()

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(core_schema))]}


class RouteConfig(Model):
    """One line of the routing table; see `routing.route.Route`."""

    kind: ClassVar[str] = "route"

    path: PathPattern
    aggregate: Parts | None = None
    """One answer out of several services, instead of `service`."""
    service: Annotated[Text | None, Field(validate_default=True)] = None
    """Who answers; for an aggregate, nobody does alone."""
    response: ResponseShape | None = None
    """The shape of an aggregate's answer; all parts as they are unless given."""
    max_parallel: Count = MAX_PARALLEL
    """Requests that an aggregate makes at once for one request of a client."""
    methods: tuple[Method, ...] = ()
    hosts: tuple[HostPattern, ...] = ()
    headers: dict[HeaderName, ValueDemand] = Field(default_factory=dict)
    query: dict[str, ValueDemand] = Field(default_factory=dict)
    strip_prefix: Flag = False
    """Remove what stands before the `*`."""
    rewrite: PathPattern | None = None
    """The path for the service, made of this route's parameters and tail."""
    host: HostHeader | None = None
    """The Host for the service: `preserve` for the client's own, or a literal."""
    middleware: tuple[MiddlewareEntry, ...] = ()
    """For this route only, behind those for every request."""
    name: Text | None = None
    """In logs and metrics; the path unless given."""

    @field_validator("service", mode="before")
    @classmethod
    def _somebody_answers(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("aggregate", "one that is wrong") is None:
            raise PydanticKnownError("missing")
        return value

    @model_validator(mode="after")
    def _one_target(self) -> RouteConfig:
        if self.aggregate is None:
            for key, given in (("response", self.response), ("max_parallel", self.max_parallel != MAX_PARALLEL)):
                if given:
                    raise Refusal(f"{key} is for an aggregate, which is not there", "remove it, or add aggregate")
            return self
        for key in ("service", "strip_prefix", "rewrite", "host"):
            if getattr(self, key):
                raise Refusal(f"aggregate and {key} exclude each other", "remove one")
        return self

    @property
    def composition(self) -> AggregateConfig | None:
        """The aggregate as its builder takes it."""
        if self.aggregate is None:
            return None
        return AggregateConfig(self.aggregate, self.response, self.max_parallel)


def make_route(config: RouteConfig, middleware: Sequence[Middleware] = (), service: str = "") -> Route:
    """The route that `config` describes; `service` is who answers in the place of an aggregate.

    Raises:
        ConfigurationError: two of its keys exclude each other.
    """
    return Route(
        config.path,
        config.service or service,
        methods=config.methods or (METHODS if config.aggregate is not None else ()),
        hosts=config.hosts,
        headers={name: demand.predicate for name, demand in config.headers.items()},
        query={name: demand.predicate for name, demand in config.query.items()},
        strip_prefix=config.strip_prefix,
        rewrite=config.rewrite,
        host=config.host,
        middleware=middleware,
        name=config.name or "",
    )
