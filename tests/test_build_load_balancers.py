"""Build load balancers: every name of the configuration makes its policy, and each can serve."""

from __future__ import annotations

from random import Random

import pytest

from api_gateway import BackendService, build_gateway
from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer
from api_gateway.build_load_balancers import BALANCERS
from api_gateway.core.clock import ManualClock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from tests.support.load_balancers import of_one_weight


def service(load_balancer: object) -> BackendService:
    gateway = build_gateway(
        {
            "services": {"a": {"endpoints": ["http://h:1", "http://h:2"], "load_balancer": load_balancer}},
            "routes": [{"path": "/a", "service": "a"}],
        },
        clock=ManualClock(),
        random=Random(1),
    )
    made = gateway.services["a"]
    assert isinstance(made, BackendService)
    return made


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("written", ["bare", "key"])
def test_every_name_makes_its_policy(name: str, written: str) -> None:
    balancer = service(name if written == "bare" else {name: {}}).load_balancer
    assert type(balancer).__name__ == name.title().replace("_", "") + "LoadBalancer"
    members = of_one_weight(3)
    assert balancer.select(members, Request("GET", "/"), RequestContext()) in members


@pytest.mark.parametrize(
    ("load_balancer", "key"),
    [
        ("consistent_hash", "10.0.0.1"),
        ({"consistent_hash": {"key": "client_ip"}}, "10.0.0.1"),
        ({"consistent_hash": {"key": "path"}}, "/a"),
        ({"consistent_hash": {"key": "header:X-Tenant"}}, "gold"),
    ],
)
def test_a_hash_has_the_key_that_was_asked_for(load_balancer: object, key: str) -> None:
    balancer = service(load_balancer).load_balancer
    assert isinstance(balancer, ConsistentHashLoadBalancer)
    request = Request("GET", "/a?b", {"x-tenant": "gold"})
    assert balancer._key(request, RequestContext(peer_address="10.0.0.1")) == key
