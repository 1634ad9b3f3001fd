"""What documents are made of: code blocks, links, headings, commands and the names of tests, read for checking."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
WHITEBOARD, CHILD, INTERVIEW = "WHITEBOARD_30SEC.md", "EXPLAINED_LIKE_IM_5.md", "INTERVIEW.md"
DOCUMENTS = ("README.md", "DESIGN.md", WHITEBOARD, CHILD, INTERVIEW)
"""Those of the top level."""
PAGES = (
    *DOCUMENTS,
    "exercises/README.md",
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/README.md")),
)
"""These, and the others that lead through a folder."""

_FENCE = re.compile(r"^```(?P<language>[\w-]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_TEST = re.compile(r"`(?P<path>[\w/.-]+\.py)::(?P<name>\w+)`")
_SOURCE = re.compile(r"`(?P<path>[\w/]+\.(?:py|lua))`")
_CODE = re.compile(r"`[^`\n]+`")
_CODE_OVER_LINES = re.compile(r"`[^`]+?`")
_FOLDER = re.compile(r"`(?P<path>[\w/]+)/`")
_PROGRAMS = ("make", "api-gateway", "python", "python3")


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of one language in a document; "" for those that name none."""
    return [found["body"] for found in _FENCE.finditer(text(document)) if found["language"] == language]


def prose(document: str) -> str:
    """A document without its code blocks."""
    return _FENCE.sub("", text(document))


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


def links(document: str) -> list[tuple[str, str]]:
    """The words and the target of every link; pictures too."""
    plain = _CODE.sub(lambda code: code[0].replace("[", "(").replace("]", ")"), prose(document))
    return [(found["words"], found["target"]) for found in _LINK.finditer(plain)]


def broken_links(document: str) -> list[str]:
    """Relative links that lead nowhere: no such file, or no such heading in it."""
    broken = []
    for _, target in links(document):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    return broken


def anchors(file: Path) -> set[str]:
    """What the headings of a Markdown file are called in links, as GitHub calls them."""
    found: set[str] = set()
    for heading in _HEADING.finditer(_FENCE.sub("", file.read_text(encoding="utf-8"))):
        slug = re.sub(r"[^\w\- ]", "", heading["title"].lower()).replace(" ", "-")
        repeated = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{repeated}" if repeated else slug)
    return found


def missing_tests(document: str) -> list[str]:
    """Names such as `tests/core/test_clock.py::test_it` that are no test functions."""
    named = [(found["path"], found["name"]) for found in _TEST.finditer(text(document))]
    return [f"{path}::{name}" for path, name in named if name not in _test_functions(path)]


@functools.cache
def _test_functions(path: str) -> frozenset[str]:
    file = ROOT / path
    if not path.startswith("tests/") or not file.exists():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return frozenset(node.name for node in body if isinstance(node, functions) and node.name.startswith("test_"))


def named_sources(document: str) -> list[str]:
    """Every `path.py` or `path.lua` in backticks."""
    return [found["path"] for found in _SOURCE.finditer(text(document))]


def missing_sources(document: str) -> list[str]:
    """Files in backticks that are not there: not in the project, the package, or the document's own folder.

    A name without a folder may also be in one that the document names, or that lies beside a document of a folder.
    """
    package = ROOT / "src" / "api_gateway"
    places = [ROOT, package, (ROOT / document).parent]
    folders = {Path(path).parent for path in named_sources(document)}
    folders |= {Path(found["path"]) for found in _FOLDER.finditer(text(document))}
    near = [place / folder for place in (ROOT, package) for folder in folders]
    near += (
        [] if document in DOCUMENTS else [folder for folder in (ROOT / document).parent.iterdir() if folder.is_dir()]
    )
    return [
        path
        for path in named_sources(document)
        if not any((place / path).is_file() for place in (places if "/" in path else places + near))
    ]


def unknown_tests(document: str) -> list[str]:
    """Names such as `test_it`, without a file, that no test function has."""
    named = set(re.findall(r"`(test_\w+)`", text(document)))
    return sorted(name for name in named if not any(name in _test_functions(path) for path in _test_files()))


@functools.cache
def _test_files() -> tuple[str, ...]:
    return tuple(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))


def commands(document: str) -> list[list[str]]:
    """What a reader is told to type: lines of unmarked and indented code blocks and code in backticks, as words."""
    lines = [line for language in ("", "sh") for block in blocks(document, language) for line in block.splitlines()]
    lines += re.findall(r"^ {4}(\w.*)$", prose(document), re.MULTILINE)
    lines += [" ".join(code[0].strip("`").split()) for code in _CODE_OVER_LINES.finditer(prose(document))]
    return [command for line in lines for command in typed(line)]


def typed(line: str) -> list[list[str]]:
    """The commands of one line as words, without the folders of programs. What explains them stays behind them."""
    found = []
    for part in line.split(" && "):
        program, *words = part.split() or [""]
        if words and Path(program).name in _PROGRAMS:
            found.append([Path(program).name, *words])
    return found
