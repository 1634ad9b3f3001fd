"""The documents against the source: what is drawn from it must be what is drawn in them."""

from __future__ import annotations

import re
from pathlib import Path

from api_gateway.resilience.circuit_states import circuit_diagram

ROOT = Path(__file__).resolve().parent.parent
_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_design_draws_the_circuit_breaker_as_its_table_says() -> None:
    diagrams = _DIAGRAM.findall((ROOT / "DESIGN.md").read_text(encoding="utf-8"))
    assert [diagram for diagram in diagrams if diagram.startswith("stateDiagram")] == [circuit_diagram()]
