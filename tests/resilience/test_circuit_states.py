"""The table of transitions, and the diagram drawn from it."""

from __future__ import annotations

import pytest

from api_gateway.resilience.circuit_states import (
    START,
    TRANSITIONS,
    CircuitEvent,
    CircuitState,
    circuit_diagram,
    transition,
)


def test_every_state_can_be_left_and_every_other_reached_from_it() -> None:
    for start in CircuitState:
        seen = {start}
        for _ in CircuitState:
            seen |= {row.target for row in TRANSITIONS if row.source in seen}
        assert seen == set(CircuitState)


def test_an_event_has_one_outcome_in_a_state() -> None:
    assert len({(row.source, row.event) for row in TRANSITIONS}) == len(TRANSITIONS)
    assert {row.event for row in TRANSITIONS} == set(CircuitEvent)


def test_what_is_not_in_the_table_is_an_error() -> None:
    rows = {(row.source, row.event): row for row in TRANSITIONS}
    for source in CircuitState:
        for event in CircuitEvent:
            if (source, event) in rows:
                assert transition(source, event) == rows[source, event]
            else:
                with pytest.raises(ValueError, match=f"{source.value} has no transition for {event.name}"):
                    transition(source, event)


def test_the_diagram_has_the_start_and_one_line_for_each_row() -> None:
    lines = circuit_diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert lines[1].strip() == f"[*] --> {START.value}"
    drawn = [tuple(line.strip().replace(": ", " --> ", 1).split(" --> ")) for line in lines[2:]]
    assert drawn == [(row.source.value, row.target.value, row.event.value) for row in TRANSITIONS]
