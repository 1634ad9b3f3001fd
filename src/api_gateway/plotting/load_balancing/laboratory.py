"""Laboratory: the same servers and the same traffic behind one gateway, with one balancer after the other.

Rule: `trial` builds a real gateway before simulated servers of one worker each and sends requests that come
independently of each other (a Poisson process). Arrivals, keys and draws are seeded, so that two policies meet
the same traffic and two runs are the same. With several gateways each has a balancer of its own, which knows
nothing of what the others sent; a request comes to any of them. What a server has to do is sampled at the server.

Unit: where nothing else is said, the mean service time is 1 s. Then a mean of 2.6 s reads as "2.6 service times".

What it does not do: check health, retry, or give up. This is the balancer alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple, TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer, by_path
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.least_connections_load_balancer import LeastConnectionsLoadBalancer
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.peak_ewma_load_balancer import PeakEwmaLoadBalancer
from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer
from api_gateway.build import build_gateway
from api_gateway.core.clock import Clock
from api_gateway.core.request import Request
from api_gateway.simulation import (
    Experiment,
    Exponential,
    FakeService,
    Fault,
    Outcome,
    Steady,
    VirtualClock,
    open_loop,
    run,
)
from api_gateway.transport.in_process import InProcessTransport

MakeLoadBalancer: TypeAlias = Callable[[Clock, Random], LoadBalancer]
Keys: TypeAlias = Callable[[Random], int]
"""Draws the key of a request, a small number."""

POLICIES: Mapping[str, MakeLoadBalancer] = {
    "random": lambda _clock, random: RandomLoadBalancer(random),
    "round_robin": lambda _clock, _random: RoundRobinLoadBalancer(),
    "weighted_round_robin": lambda _clock, _random: WeightedRoundRobinLoadBalancer(),
    "consistent_hash": lambda _clock, _random: ConsistentHashLoadBalancer(by_path),
    "peak_ewma": lambda clock, random: PeakEwmaLoadBalancer(clock, random),
    "power_of_two_choices": lambda _clock, random: PowerOfTwoChoicesLoadBalancer(random),
    "least_connections": lambda _clock, _random: LeastConnectionsLoadBalancer(),
}
"""All of the gateway's, by the names of the configuration."""


def any_of(count: int) -> Keys:
    """So many keys, one as likely as another."""
    return lambda random: int(random.random() * count)


def one_hot_of(count: int, share: float) -> Keys:
    """Key 0 in `share` of the requests, and any of so many in the others."""
    return lambda random: 0 if random.random() < share else 1 + int(random.random() * (count - 1))


_THOUSAND = any_of(1000)


class Server(NamedTuple):
    """One simulated endpoint with one worker."""

    seconds: float = 1.0
    """The mean service time."""
    weight: int = 1
    faults: Sequence[Fault] = ()


class Trial(NamedTuple):
    """What became of the requests, and what the servers had to do."""

    outcomes: Sequence[Outcome]
    """In the order in which they were sent."""
    loads: Sequence[Sequence[float]]
    """For each server, how many requests it had at each sample, at work or waiting."""
    every: float
    """Seconds from one sample to the next."""
    served: Sequence[int]
    """How many requests each server got."""

    def share_to(self, server: int, start: float, end: float) -> float:
        """The share of the requests from `start` to before `end` that this server got."""
        sent = [outcome.endpoint for outcome in self.outcomes if start <= outcome.sent < end]
        return sent.count(_url(server)) / len(sent)

    def load(self, server: int, second: float) -> float:
        """How many requests this server had then."""
        return self.loads[server][round(second / self.every)]

    def durations(self, start: float = 0.0, end: float = math.inf) -> list[float]:
        """Seconds of those that were sent from `start` to before `end`, shortest first."""
        return sorted(outcome.duration for outcome in self.outcomes if start <= outcome.sent < end)

    def mean(self, start: float = 0.0, end: float = math.inf) -> float:
        """Seconds on average; NaN without any."""
        durations = self.durations(start, end)
        return math.fsum(durations) / len(durations) if durations else math.nan

    def latency(self, share: float, start: float = 0.0, end: float = math.inf) -> float:
        """The seconds that `share` of them did not exceed; NaN without any."""
        durations = self.durations(start, end)
        return durations[max(0, math.ceil(share * len(durations)) - 1)] if durations else math.nan


def trial(
    make: MakeLoadBalancer,
    servers: Sequence[Server],
    rate: float,
    seconds: float,
    *,
    gateways: int = 1,
    keys: Keys = _THOUSAND,
    every: float = 1.0,
    seed: int = 1,
) -> Trial:
    """Send `rate` requests a second for so many seconds, in virtual time, and wait for the last answer.

    Args:
        make: the policy.
        servers: what it balances over.
        rate: requests a second, on average.
        seconds: how long.
        gateways: how many share the traffic.
        keys: what is asked for, where a policy looks at it; any of a thousand unless given.
        every: seconds from one sample of the loads to the next.
        seed: of everything that is drawn.
    """

    async def main() -> Trial:
        handlers = {
            _url(number): FakeService(
                Exponential(server.seconds), faults=server.faults, random=Random(f"server {number} {seed}")
            )
            for number, server in enumerate(servers)
        }
        weights = [server.weight for server in servers]
        experiments = [_gateway(make, handlers, weights, Random(f"{number} {seed}")) for number in range(gateways)]
        watching, drawn = experiments[0], Random(f"keys {seed}")
        for url, handler in handlers.items():
            watching.watch(url, partial(getattr, handler, "present"))
        requests: dict[int, Request] = {}

        async def send() -> None:
            key = keys(drawn)
            experiment = experiments[int(drawn.random() * gateways)]
            await experiment.send(requests.setdefault(key, Request("GET", f"/{key}")))

        async with watching.sampling(every):
            await open_loop(Steady(rate), seconds, send, Random(f"arrivals {seed}"))
        outcomes = sorted(outcome for experiment in experiments for outcome in experiment.outcomes)
        loads = [[value for _, value in watching.series[url]] for url in handlers]
        return Trial(outcomes, loads, every, [handler.arrived for handler in handlers.values()])

    return run(main)


def _gateway(
    make: MakeLoadBalancer, handlers: Mapping[str, FakeService], weights: Sequence[int], random: Random
) -> Experiment:
    clock = VirtualClock()
    members = [Endpoint(url, weight) for url, weight in zip(handlers, weights, strict=True)]
    service = BackendService("s", members, InProcessTransport(handlers), make(clock, random), clock=clock)
    config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
    return Experiment(build_gateway(config, {"s": service}, clock=clock, random=random))


def _url(server: int) -> str:
    return f"in-process://s/{server}"
