"""Auth metrics: who came in, and who did not.

| metric                                 | labels          | counts                                             |
|----------------------------------------|-----------------|----------------------------------------------------|
| api_gateway_auth_total                 | outcome, method | decisions on who is calling                        |
| api_gateway_authorization_denied_total | reason          | requests of callers that may not, or are not known |

`outcome` is `identified`, `anonymous` (nothing presented, and it is optional), `missing` (nothing presented, refused),
`invalid` (presented, and wrong) or `unavailable` (could not be checked); `method` is the authenticator that decided,
or `none`. A request that passes two authentications counts twice.

Rule: all is read from the middleware when somebody asks.

Bound: outcomes and reasons are fixed, methods come from the configuration; no caller is ever a label.

What it does not do: say who was refused. The access log has the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AuthorizationMiddleware


class AuthMetrics(Collector):
    """The authentications and authorizations of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._authentications: list[AuthMiddleware] = []
        self._authorizations: list[AuthorizationMiddleware] = []

    def watch(self, layer: AuthMiddleware | AuthorizationMiddleware) -> None:
        """Show what `layer` decides, summed with the others."""
        if isinstance(layer, AuthMiddleware):
            self._authentications.append(layer)
        else:
            self._authorizations.append(layer)

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        decided = CounterMetricFamily("api_gateway_auth", "Decisions on who is calling.", labels=["outcome", "method"])
        decisions = Counter[tuple[str, str]]()
        for authentication in self._authentications:
            decisions.update(authentication.counts)
        for labels, count in decisions.items():
            decided.add_metric(labels, count)
        yield decided
        denied = CounterMetricFamily(
            "api_gateway_authorization_denied", "Requests that the caller may not make.", labels=["reason"]
        )
        reasons = Counter[str]()
        for authorization in self._authorizations:
            reasons.update(authorization.denied)
        for reason, count in reasons.items():
            denied.add_metric([reason], count)
        yield denied
