"""Circuit states: the whole state machine of the circuit breaker, as a table.

Rule: a circuit changes its state only by a row of `TRANSITIONS`; what is not in the table is an error,
not a surprise. The diagram in the documentation is drawn from the same table.

    closed      calls pass, and their outcomes are counted
    open        no call passes: the service is left alone, and callers are told at once
    half open   a few calls pass, as probes; how they end decides

What it does not do: know when an event happens. That is `circuit_breaker.py`.

Source: M. Nygard, "Release It!", 2007, ch. 5.3; the table as the source of the diagram: h11, `_state.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class CircuitState(Enum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitEvent(Enum):
    """Why a circuit changes its state, in words for people."""

    TRIPPED = "failures or slow calls reach their rate in the window"
    RESTED = "the open time is over"
    PROBES_FAILED = "failures or slow calls reach their rate among the probes"
    PROBES_PASSED = "neither rate can be reached any more"


class Transition(NamedTuple):
    """A row of the table."""

    source: CircuitState
    event: CircuitEvent
    target: CircuitState


START = CircuitState.CLOSED

TRANSITIONS = (
    Transition(CircuitState.CLOSED, CircuitEvent.TRIPPED, CircuitState.OPEN),
    Transition(CircuitState.OPEN, CircuitEvent.RESTED, CircuitState.HALF_OPEN),
    Transition(CircuitState.HALF_OPEN, CircuitEvent.PROBES_FAILED, CircuitState.OPEN),
    Transition(CircuitState.HALF_OPEN, CircuitEvent.PROBES_PASSED, CircuitState.CLOSED),
)

_TABLE = {(row.source, row.event): row for row in TRANSITIONS}


def transition(source: CircuitState, event: CircuitEvent) -> Transition:
    """The row for an event in a state.

    Raises:
        ValueError: the event cannot happen in this state.
    """
    row = _TABLE.get((source, event))
    if row is None:
        raise ValueError(f"a circuit that is {source.value} has no transition for {event.name}")
    return row


def circuit_diagram() -> str:
    """The table as a Mermaid state diagram."""
    rows = [f"    {row.source.value} --> {row.target.value}: {row.event.value}" for row in TRANSITIONS]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {START.value}", *rows, ""])
