"""Build aggregate: the handler of a route that is made of several services.

What it does not do: put it on its route; `build.py` does, under a name of its own among the services.
"""

from __future__ import annotations

from collections.abc import Collection

from api_gateway.backend.aggregator import Aggregator
from api_gateway.build_tools import Tools
from api_gateway.config.aggregate_schema import AggregateConfig


def aggregator(route: str, config: AggregateConfig, parameters: Collection[str], tools: Tools) -> Aggregator:
    """The aggregate of the route named `route`, whose path has these parameters.

    Services are found by name when they are asked, so they may be made later.

    Raises:
        ConfigurationError: the parts do not fit together.
    """
    services = {part.service: tools.service_named(part.service) for part in config.parts.values()}
    return Aggregator(route, config.plan(parameters), services, tools.clock, max_parallel=config.max_parallel)
