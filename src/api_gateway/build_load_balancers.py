"""Build load balancers: the table of policies, and what each of them is given.

What it does not do: choose a default. The configuration's schema does (`config/service_schema.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TypeAlias

from api_gateway.backend.consistent_hash_load_balancer import (
    ConsistentHashLoadBalancer,
    HashKey,
    by_client_address,
    by_header,
    by_path,
)
from api_gateway.backend.least_connections_load_balancer import LeastConnectionsLoadBalancer
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.peak_ewma_load_balancer import PeakEwmaLoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer
from api_gateway.config.load_balancer_schema import CLIENT_IP, PATH, LoadBalancerConfig
from api_gateway.config.request_key import HEADER
from api_gateway.core.clock import Clock

LoadBalancerFactory: TypeAlias = Callable[[LoadBalancerConfig, Clock, Random], LoadBalancer]
"""Makes the load balancer of one service."""

_HASH_KEYS: Mapping[str, HashKey] = {CLIENT_IP: by_client_address, PATH: by_path}


def _consistent_hash(config: LoadBalancerConfig, clock: Clock, random: Random) -> LoadBalancer:
    assert config.consistent_hash is not None, "checked"
    key = config.consistent_hash.key
    return ConsistentHashLoadBalancer(_HASH_KEYS.get(key) or by_header(key.removeprefix(HEADER)))


BALANCERS: Mapping[str, LoadBalancerFactory] = {
    "round_robin": lambda _config, _clock, _random: RoundRobinLoadBalancer(),
    "weighted_round_robin": lambda _config, _clock, _random: WeightedRoundRobinLoadBalancer(),
    "random": lambda _config, _clock, random: RandomLoadBalancer(random),
    "least_connections": lambda _config, _clock, _random: LeastConnectionsLoadBalancer(),
    "power_of_two_choices": lambda _config, _clock, random: PowerOfTwoChoicesLoadBalancer(random),
    "peak_ewma": lambda _config, clock, random: PeakEwmaLoadBalancer(clock, random),
    "consistent_hash": _consistent_hash,
}
