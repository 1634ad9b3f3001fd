"""The documents against the source: what is drawn from it must be what is drawn in them, and examples must work."""

from __future__ import annotations

import re

import pytest

from api_gateway.resilience.circuit_states import circuit_diagram
from tests.support.config_files import load_text
from tests.support.documents import ROOT, blocks, completed


def test_the_design_draws_the_circuit_breaker_as_its_table_says() -> None:
    diagrams = blocks("DESIGN.md", "mermaid")
    assert [diagram for diagram in diagrams if diagram.startswith("stateDiagram")] == [circuit_diagram()]


@pytest.mark.parametrize("document", ["README.md", "DESIGN.md"])
def test_every_configuration_in_the_documents_is_valid(document: str) -> None:
    examples = blocks(document, "yaml")
    assert examples
    for example in examples:
        load_text(completed(example))


def test_every_test_that_the_design_names_is_there() -> None:
    named = {*re.findall(r"`(test_\w+)`", (ROOT / "DESIGN.md").read_text(encoding="utf-8"))}
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {*re.findall(r"^(?:async )?def (test_\w+)\(", sources, re.MULTILINE)}
    assert named - there == set()
    assert len(named) > 30
