"""The documents against the project: links, tests, files, commands, configurations, diagrams, and code that must run.

What `test_numbers.py` does with figures, this does with everything else. All checks hold for all documents.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import io
import json
import re
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from types import FunctionType

import pytest
import yaml

from api_gateway import BackendService, Request, RequestContext, Response, build_gateway
from api_gateway.core.xray.subject import name_in_words
from api_gateway.resilience.circuit_states import circuit_diagram
from api_gateway.server import cli
from api_gateway.simulation import VirtualClock, run
from tests.support import mermaid
from tests.support.config_files import load_text
from tests.support.documents import (
    DOCUMENTS,
    INTERVIEW,
    PAGES,
    ROOT,
    blocks,
    broken_links,
    commands,
    completed,
    links,
    missing_sources,
    missing_tests,
    prose,
    text,
    typed,
    unknown_tests,
)

pages = pytest.mark.parametrize("page", PAGES)


def test_no_page_is_forgotten() -> None:
    assert {path.name for path in ROOT.glob("*.md")} == set(DOCUMENTS)
    assert [page for page in PAGES if not links(page) and not commands(page)] == []


@pages
def test_every_relative_link_leads_somewhere(page: str) -> None:
    assert broken_links(page) == []


@pages
def test_every_test_that_is_named_exists(page: str) -> None:
    assert missing_tests(page) + unknown_tests(page) == []


@pages
def test_every_file_that_is_named_exists(page: str) -> None:
    assert missing_sources(page) == []


@pages
def test_no_line_is_referred_to_by_its_number(page: str) -> None:
    """Lines move; a name does not. What should be shown is named: a function, a test, a heading."""
    assert re.findall(r"\.(?:py|md|lua|yaml|toml):\d+|#L\d+|\blines? \d+", text(page)) == []


@pages
def test_every_section_of_a_notebook_that_is_named_exists(page: str) -> None:
    for words, target in links(page):
        if target.endswith(".ipynb"):
            source = ((ROOT / page).parent / target).with_suffix(".py").read_text(encoding="utf-8")
            assert re.match(r"\d\d", words) is None or words[:2] == Path(target).name[:2], f"{words}: {target}"
            for section in re.findall(r"§(\d+)", words):
                assert f"# ## {section}. " in source, f"{words}: {target} has no section {section}"


@pages
def test_every_command_exists(page: str) -> None:
    assert [" ".join(command) for command in commands(page) if not command_exists(command)] == []


@pages
def test_every_extra_that_is_installed_exists(page: str) -> None:
    extras = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]
    named = re.findall(r"\.\[([\w,]+)\]", text(page)) + re.findall(r"\(extra `(\w+)`\)", text(page))
    assert {extra for names in named for extra in names.split(",")} - extras.keys() == set()


@pages
def test_every_configuration_is_valid(page: str) -> None:
    for example in blocks(page, "yaml"):
        load_text(completed(example))


@pages
def test_every_diagram_is_one(page: str) -> None:
    assert [problem for diagram in blocks(page, "mermaid") for problem in mermaid.problems(diagram)] == []


@pages
def test_every_block_of_code_runs_and_prints_what_it_says(page: str) -> None:
    """In order, each with names of its own. `main` is run under virtual time; what it prints stands behind `print`."""
    for number, block in enumerate(blocks(page, "python"), 1):
        names: dict[str, object] = {}
        said = io.StringIO()
        with redirect_stdout(said):
            exec(compile(block, f"{page}, python block {number}", "exec"), names)
            if inspect.iscoroutinefunction(main := names.get("main")):
                run(main)
        assert said.getvalue().splitlines() == re.findall(r"^ *print\(.*\)  # (.+)$", block, re.MULTILINE)


@pages
def test_every_block_of_code_is_of_a_kind_that_is_checked(page: str) -> None:
    kinds = set(re.findall(r"^```([\w-]+)$", text(page), re.MULTILINE))
    assert kinds - {"python", "yaml", "mermaid", "sh"} == set()


@pages
def test_nothing_is_shouted_and_nothing_is_left_to_do(page: str) -> None:
    assert re.findall(r"(?<![\[!=])!(?![\[=])|TODO|TBD|FIXME", prose(page)) == []


def test_there_are_blocks_of_every_kind_to_check() -> None:
    assert {len(blocks(page, "python")) > 0 for page in ("README.md", INTERVIEW)} == {True}
    assert {len(blocks(page, "yaml")) > 0 for page in ("README.md", "DESIGN.md", INTERVIEW)} == {True}
    assert len(re.findall(r"`test_\w+`", text("DESIGN.md"))) > 30


def test_the_design_draws_the_circuit_breaker_as_its_table_says() -> None:
    diagrams = blocks("DESIGN.md", "mermaid")
    assert [diagram for diagram in diagrams if diagram.startswith("stateDiagram")] == [circuit_diagram()]


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


def command_exists(words: list[str]) -> bool:
    """Whether what runs is there, with its options, what it chooses from, and the files that it names."""
    program, *rest = words
    options = {re.split(r"[=\[]", word)[0] for word in rest if word.startswith("--")}
    if any(not (ROOT / word).exists() for word in rest if re.fullmatch(r"[\w/]+/[\w.]+\.(?:ya?ml|py)", word)):
        return False
    if program == "make":
        makefile = text("Makefile")
        variables = [word.partition("=")[0] for word in rest if "=" in word]
        return bool(re.search(rf"^{re.escape(rest[0])}:", makefile, re.MULTILINE)) and all(
            f"$({variable})" in makefile for variable in variables
        )
    if program == "api-gateway":
        parser: argparse.ArgumentParser | None = cli._parser()
        for word in rest:
            if parser is not None and (choices := _subcommands(parser)):
                parser = choices.get(word)
        return parser is not None and options <= parser._option_string_actions.keys()
    if rest[0] != "-m":
        return True  # python itself, with a file or nothing
    return _module_exists(rest[1], rest[2:], options)


def _module_exists(name: str, words: list[str], options: set[str]) -> bool:
    module = ROOT.joinpath(*name.split("."))
    if not module.exists() and not module.with_suffix(".py").exists():
        return importlib.util.find_spec(name) is not None  # pytest, venv
    main = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    if not main.exists():
        return False
    source = main.read_text(encoding="utf-8")
    if name == "benchmarks" and words and re.fullmatch(r"[a-z][\w-]*", words[0]) and f'"{words[0]}": _' not in source:
        return False
    return all(f'"{option}"' in source for option in options)


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The choices of a command; argparse has no other way to ask."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: choice for action in actions for name, choice in action.choices.items()}


@pytest.mark.parametrize(
    ("command", "exists"),
    [
        ("make demo", True),
        ("make coffee", False),
        ("make exercise N=3", True),
        ("make exercise CUP=3", False),
        ("api-gateway explain examples/gateway.yaml GET /", True),
        ("api-gateway explain examples/coffee.yaml GET /", False),
        ("api-gateway serve examples/gateway.yaml --workers 2", True),
        ("api-gateway serve examples/gateway.yaml --cups 2", False),
        ("api-gateway key new --owner NAME --keys-file keys.yaml", True),
        ("api-gateway key drink", False),
        ("api-gateway complain", False),
        ("python -m benchmarks sustained", True),
        ("python -m benchmarks --record", True),
        ("python -m benchmarks sustained --sugar", False),
        ("python -m benchmarks coffee", False),
        ("python -m notebooks.runner --write", True),
        ("python -m pytest", True),
        ("python -m coffee", False),
    ],
)
def test_a_command_is_known_by_what_runs_it(command: str, exists: bool) -> None:
    assert command_exists(command.split()) is exists


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("make demo       run it", [["make", "demo", "run", "it"]]),
        ("make", []),
        ("uv venv && .venv/bin/python -m pytest", [["python", "-m", "pytest"]]),
        ("GET / HTTP/1.1", []),
        ("", []),
    ],
)
def test_a_line_is_read_for_its_commands(line: str, expected: list[list[str]]) -> None:
    assert typed(line) == expected


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
