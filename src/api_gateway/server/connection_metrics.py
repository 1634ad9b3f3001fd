"""Connection metrics: how many clients are connected, and how many could not be.

| metric                               | shows                                                       |
|--------------------------------------|-------------------------------------------------------------|
| api_gateway_connections              | client connections open now                                 |
| api_gateway_connection_addresses     | addresses they are from (trusted proxies not counted)       |
| api_gateway_connections_refused_total | connections refused by a limit                              |
| api_gateway_connections_yielded_total | idle or silent ones closed to make room for others          |

Rule: nothing is counted here; the numbers are read from `connection_limits.py` when somebody asks. With several
workers the sum of the addresses counts one for each worker that it is connected to.

What it does not do: tell one limit from the other. The lines of the security events do.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.server.connection_limits import ConnectionLimits


class ConnectionMetrics(Collector):
    """Shows the connections of one server; register it where they shall be read."""

    def __init__(self, connections: ConnectionLimits) -> None:
        self._connections = connections

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        now = self._connections
        yield GaugeMetricFamily("api_gateway_connections", "Client connections open now.", value=len(now))
        about = "Addresses that clients are connected from."
        yield GaugeMetricFamily("api_gateway_connection_addresses", about, value=now.addresses)
        about = "Connections refused by a limit."
        yield CounterMetricFamily("api_gateway_connections_refused", about, value=now.refused)
        about = "Idle or silent connections closed to make room for others."
        yield CounterMetricFamily("api_gateway_connections_yielded", about, value=now.gave_way)
