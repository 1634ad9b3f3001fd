"""LoadBalancer: who gets the next request.

Rule: pure choice. A balancer is given the endpoints that may be used now, never empty, and the
request; it picks one. Load (what an endpoint has to do) is kept by `Endpoint`; balancing (who
gets more) is decided here. The seam is one method, so each policy is one small file.

What it does not do: check health, count, connect, or keep a list of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request


class LoadBalancer(Protocol):
    """Picks an endpoint."""

    def select(self, endpoints: Sequence[Endpoint], request: Request) -> Endpoint:
        """One of `endpoints`, of which there is at least one."""
        ...
