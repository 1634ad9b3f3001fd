"""Serving: what the configuration says of the edge reaches the edge."""

from __future__ import annotations

import pytest

from api_gateway.config.schema import GatewayConfig
from api_gateway.config.validate import validate
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.serving import edge_limits


def configuration(**keys: object) -> GatewayConfig:
    services = {"a": {"endpoints": ["http://h:1"]}}
    config, findings = validate({"services": services, "routes": [{"path": "/a", "service": "a"}], **keys})
    assert config is not None, findings
    return config


def test_the_defaults_of_configuration_and_edge_are_the_same() -> None:
    assert edge_limits(configuration()) == EdgeLimits()


def test_every_limit_of_the_configuration_holds_at_the_edge() -> None:
    limits = {
        "max_target": 1,
        "max_header_bytes": 2,
        "max_header_fields": 3,
        "head_timeout": "4s",
        "min_body_rate": "5B",
        "body_grace": "6s",
        "max_connections": 7,
        "max_connections_per_address": 6,
    }
    assert edge_limits(configuration(limits=limits, trusted_proxies=["10.0.0.0/8"])) == EdgeLimits(
        max_target=1,
        max_header_bytes=2,
        max_header_fields=3,
        head_timeout=4.0,
        min_body_rate=5,
        body_grace=6.0,
        max_connections=7,
        max_connections_per_address=6,
        trusted_proxies=("10.0.0.0/8",),
    )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_connections": 0}, "count 0 is out of range"),
        ({"min_body_rate": 0}, "the size is zero"),
        ({"max_connections": 10, "max_connections_per_address": 11}, "more than there may be in all"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, object], said: str) -> None:
    _, findings = validate({"services": {}, "routes": [], "limits": limits})
    assert any(said in finding.cause for finding in findings)


def test_fewer_connections_than_the_default_for_one_address_are_no_contradiction() -> None:
    assert configuration(limits={"max_connections": 10}).limits.max_connections == 10
