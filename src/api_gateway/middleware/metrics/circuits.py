"""Circuit metrics: where the circuits stand, how often they have moved, what they have refused.

| metric                                   | labels         | is                                             |
|------------------------------------------|----------------|------------------------------------------------|
| api_gateway_circuit_state                | service, state | 1 for the state a circuit is in, else 0        |
| api_gateway_circuit_transitions_total    | service, to    | how often a circuit came into a state          |
| api_gateway_circuit_refusals_total       | service        | calls that got no permit                       |

Rule: all is read from the circuits when somebody asks, so a call costs nothing more. The state is a gauge for each
state and not a number for each circuit: worker processes have circuits of their own, and their sum then says
how many of them are open.

Bound: services and states come from the configuration; no address is ever a label.

What it does not do: say which endpoint failed. That is in the log, once for each time a circuit opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.resilience.circuit_states import CircuitState


class Circuit(Protocol):
    """What there is to know about the circuit of one service."""

    @property
    def service(self) -> str:
        """Whom it guards."""
        ...

    @property
    def state(self) -> CircuitState:
        """Where it stands now."""
        ...

    @property
    def transitions(self) -> Mapping[CircuitState, int]:
        """How often it came into each state."""
        ...

    @property
    def refused(self) -> int:
        """How many calls got no permit."""
        ...


class CircuitMetrics(Collector):
    """The circuits of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}

    def watch(self, circuit: Circuit) -> None:
        """Show `circuit`.

        Raises:
            ValueError: there is one for this service.
        """
        if circuit.service in self._circuits:
            raise ValueError(f"service {circuit.service} has a circuit: two would be one line in the metrics")
        self._circuits[circuit.service] = circuit

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        state = GaugeMetricFamily("api_gateway_circuit_state", "Circuits in this state.", labels=["service", "state"])
        transitions = CounterMetricFamily(
            "api_gateway_circuit_transitions", "Times a circuit came into this state.", labels=["service", "to"]
        )
        refusals = CounterMetricFamily(
            "api_gateway_circuit_refusals", "Calls that a circuit refused.", labels=["service"]
        )
        for name, circuit in self._circuits.items():
            now = circuit.state
            for each in CircuitState:
                state.add_metric([name, each.value], each is now)
                transitions.add_metric([name, each.value], circuit.transitions[each])
            refusals.add_metric([name], circuit.refused)
        yield state
        yield transitions
        yield refusals
