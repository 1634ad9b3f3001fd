"""Build tools: what factories may need beside their options.

What it does not do: make any of it; `build.py` does, once for each gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from api_gateway.build_rate_limits import RateLimits
from api_gateway.core.api_gateway import Closable, Startable
from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler, Middleware


@dataclass(frozen=True, slots=True)
class Tools:
    """Shared by all parts of one gateway."""

    clock: Clock
    random: Random
    rate_limits: RateLimits
    services: Mapping[str, Handler]
    """By name; complete when the first request comes, and not before."""
    resources: list[Startable | Closable]
    """What a factory adds here is started before the first request, and closed after the last."""


MiddlewareFactory: TypeAlias = Callable[[object, Tools], Middleware]
"""Makes a middleware of its options; raises ConfigurationError where they are wrong."""
