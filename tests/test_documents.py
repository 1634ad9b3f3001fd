"""The documents against the source: what is drawn from it must be what is drawn in them, and examples must work."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from types import FunctionType

import pytest
import yaml

from api_gateway import BackendService, Request, RequestContext, Response, build_gateway
from api_gateway.core.xray.subject import name_in_words
from api_gateway.resilience.circuit_states import circuit_diagram
from api_gateway.simulation import VirtualClock, run
from tests.support.config_files import load_text
from tests.support.documents import ROOT, blocks, broken_links, completed, text


def test_the_design_draws_the_circuit_breaker_as_its_table_says() -> None:
    diagrams = blocks("DESIGN.md", "mermaid")
    assert [diagram for diagram in diagrams if diagram.startswith("stateDiagram")] == [circuit_diagram()]


@pytest.mark.parametrize("document", ["README.md", "DESIGN.md"])
def test_every_configuration_in_the_documents_is_valid(document: str) -> None:
    examples = blocks(document, "yaml")
    assert examples
    for example in examples:
        load_text(completed(example))


def test_the_life_of_a_request_names_every_file_that_it_goes_through_in_order() -> None:
    """The configuration and the request at the top of the design, against their X-ray."""
    life = (ROOT / "DESIGN.md").read_text(encoding="utf-8").partition("### X-ray")[0]
    config = yaml.safe_load(blocks("DESIGN.md", "yaml")[0])
    config["services"]["user-service"] = {}  # in-process: there are no addresses, and nothing to time out
    request = blocks("DESIGN.md", "")[0].splitlines()[0].split()

    async def users(request: Request, context: RequestContext) -> Response:
        return Response.text(request.target)

    async def main() -> tuple[bytes, list[str]]:
        gateway = build_gateway(config, {"user-service": users}, clock=VirtualClock())
        async with gateway:
            xray = await gateway.explain(Request(request[0], request[1], {"host": "shop.example"}))
            service = gateway.services["user-service"]
            assert isinstance(service, BackendService)
            parts = [*gateway.layers(), gateway.router, *service.middleware, service]
            files = {name_in_words(part): Path(inspect.getfile(_source(part))) for part in parts}
            return await xray.response.read(), [files[step.name].name for step in xray.steps]

    body, files = run(main)
    assert body == b"/42?verbose=1"
    assert files[-1] == "backend_service.py"
    places = [life.index(name) for name in (f"{file}`**" for file in files[:-1])]
    assert places == sorted(places)


def _source(part: object) -> FunctionType | type:
    return part if isinstance(part, FunctionType) else type(part)


def test_every_test_that_the_design_names_is_there() -> None:
    named = {*re.findall(r"`(test_\w+)`", (ROOT / "DESIGN.md").read_text(encoding="utf-8"))}
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {*re.findall(r"^(?:async )?def (test_\w+)\(", sources, re.MULTILINE)}
    assert named - there == set()
    assert len(named) > 30


def test_the_first_picture_of_the_readme_is_the_one_that_notebook_00_asserts() -> None:
    """That the file is what the notebook shows, `test_a_notebook_keeps_the_rules` proves."""
    first = re.search(r"\[!\[(.+?)\]\((.+?)\)\]\((.+?)\)", text("README.md"))
    assert first is not None
    says, picture, notebook = first.groups()
    name = (ROOT / picture).stem
    cells = json.loads(text(notebook))["cells"]
    tagged = [cell for cell in cells if f"picture:{name}" in cell["metadata"].get("tags", ())]
    shown = [output["data"]["text/plain"] for cell in tagged for output in cell["outputs"]]
    assert ["".join(lines) for lines in shown] == [f"<Picture: {says}>"]


def test_the_readme_leads_nowhere_that_is_not_there() -> None:
    assert broken_links("README.md") == []
