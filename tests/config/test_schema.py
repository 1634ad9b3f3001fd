"""Schema: defaults, what validation gives, and the JSON Schema for editors."""

import json
import pickle

import pytest
from pydantic import ValidationError

from api_gateway.config.load_balancer_schema import LoadBalancerConfig
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.validate import validate
from api_gateway.routing.predicates import Exactly, Matching, Present

MINIMAL: dict[str, object] = {
    "services": {"a": {"endpoints": ["http://h:1", {"url": "http://h:2", "weight": 5}]}},
    "routes": [{"path": "/a", "service": "a"}],
}


def configuration(**keys: object) -> GatewayConfig:
    config, findings = validate({**MINIMAL, **keys})
    assert config is not None, findings
    return config


def test_everything_but_routes_and_their_services_has_a_default() -> None:
    config = configuration()
    assert (config.listen.host, config.listen.port, config.admin.host, config.admin.port) == (
        *("127.0.0.1", 8080),
        *("127.0.0.1", 9901),
    )
    assert config.trusted_proxies == ()
    assert config.drain_timeout == 30
    limits = config.limits
    assert (limits.max_body, limits.max_header_bytes, limits.max_header_fields) == (None, 32 * 1024, 100)
    assert (limits.max_target, limits.head_timeout) == (8 * 1024, 10)
    service = config.services["a"]
    assert (service.load_balancer.name, service.transport) == ("round_robin", "http1")
    assert (service.timeout.connect, service.timeout.request, service.timeout.idle) == (1, 15, 60)
    assert [(endpoint.url, endpoint.weight) for endpoint in service.endpoints] == [("http://h:1", 1), ("http://h:2", 5)]


def test_request_id_and_access_log_are_there_unless_a_list_is_given() -> None:
    assert [entry.name for entry in configuration().middleware] == ["request_id", "access_log"]
    assert configuration(middleware=[]).middleware == ()


def test_durations_are_seconds_and_sizes_are_bytes() -> None:
    config = configuration(
        drain_timeout="1m",
        limits={"max_body": "10MiB", "head_timeout": "250ms"},
        middleware=[{"deadline": "3s"}, {"body_limit": "1KiB"}],
    )
    assert (config.drain_timeout, config.limits.max_body, config.limits.head_timeout) == (60.0, 10 * 2**20, 0.25)
    assert [(entry.name, entry.options) for entry in config.middleware] == [("deadline", 3.0), ("body_limit", 1024)]


def test_demands_become_predicates() -> None:
    demands = {"a": "x", "b": {"present": True}, "c": {"regex": "[0-9]+"}, "d": ""}
    (route,) = configuration(routes=[{"path": "/a", "service": "a", "query": demands}]).routes
    assert [demand.predicate for demand in route.query.values()] == [
        *(Exactly("x"), Present(), Matching.compile("[0-9]+"), Exactly("")),
    ]


def test_a_configuration_does_not_change() -> None:
    config = configuration()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config.listen, "port", 1)  # noqa: B010  # an assignment, but for the type checker


@pytest.mark.parametrize("again", ["json", "pickle"])
def test_a_configuration_survives_being_sent_to_another_process(again: str) -> None:
    config = configuration(
        middleware=["request_id", {"access_log": {"format": "human"}}, {"deadline": "3s"}],
        routes=[{"path": "/a", "service": "a", "query": {"v": "1", "w": {"regex": "x"}}, "rewrite": "/b"}],
    )
    copy = (
        GatewayConfig.model_validate_json(config.model_dump_json())
        if again == "json"
        else pickle.loads(pickle.dumps(config))
    )
    assert copy == config
    assert [entry.name for entry in copy.middleware] == ["request_id", "access_log", "deadline"]


def test_the_json_schema_is_json_and_knows_every_key() -> None:
    schema = json.loads(json.dumps(GatewayConfig.model_json_schema()))
    assert set(schema["properties"]) == set(GatewayConfig.model_fields)
    assert schema["required"] == ["routes"]
    route = schema["$defs"]["RouteConfig"]
    assert {"path", "service", "strip_prefix", "rewrite", "methods", "hosts"} <= set(route["properties"])
    assert not route["additionalProperties"]
    entry = schema["$defs"]["MiddlewareEntry"]["anyOf"]
    assert entry[0] == {"enum": ["request_id", "access_log", "authorize", "cache", "load_shedding", "security_headers"]}
    assert set(entry[2]["properties"]) == set(MiddlewareEntry.model_fields)
    assert schema["$defs"]["EndpointConfig"]["anyOf"][0]["type"] == "string"
    name, named = schema["$defs"]["LoadBalancerConfig"]["anyOf"]
    assert set(name["enum"]) == set(named["properties"]) == set(LoadBalancerConfig.model_fields)
