"""The documents against the source: what is drawn from it must be what is drawn in them, and examples must work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api_gateway.resilience.circuit_states import circuit_diagram
from tests.support.config_files import load_text

ROOT = Path(__file__).resolve().parent.parent


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of one language in a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_design_draws_the_circuit_breaker_as_its_table_says() -> None:
    diagrams = blocks("DESIGN.md", "mermaid")
    assert [diagram for diagram in diagrams if diagram.startswith("stateDiagram")] == [circuit_diagram()]


@pytest.mark.parametrize("document", ["README.md", "DESIGN.md"])
def test_every_configuration_in_the_documents_is_valid(document: str) -> None:
    examples = blocks(document, "yaml")
    assert examples
    for example in examples:
        load_text(completed(example))


def completed(example: str) -> str:
    """An example with what it leaves out: services for its routes, or a route to its first service."""
    written: dict[str, Any] = yaml.safe_load(example)
    if "routes" not in written:
        example += f"\nroutes: [{{path: /*, service: {next(iter(written['services']))}}}]\n"
    elif "services" not in written:
        targets = [part for route in written["routes"] for part in (route, *route.get("aggregate", {}).values())]
        names = sorted({target["service"] for target in targets if "service" in target})
        services = "".join(f"  {name}: {{endpoints: [http://127.0.0.1:9001]}}\n" for name in names)
        example += f"\nservices:\n{services}"
    return example


def test_every_test_that_the_design_names_is_there() -> None:
    named = {*re.findall(r"`(test_\w+)`", (ROOT / "DESIGN.md").read_text(encoding="utf-8"))}
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {*re.findall(r"^(?:async )?def (test_\w+)\(", sources, re.MULTILINE)}
    assert named - there == set()
    assert len(named) > 30
