"""What documents are made of: code blocks, links, headings, commands and the names of tests, read for checking."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent

_FENCE = re.compile(r"^```(?P<language>[\w-]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_TEST = re.compile(r"`(?P<path>[\w/.-]+\.py)::(?P<name>\w+)`")
_SOURCE = re.compile(r"`(?P<path>[\w/]+\.(?:py|lua))`")
_CODE = re.compile(r"`[^`\n]+`")


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
    """Files in backticks that are neither in the package nor at that place in the project."""
    places = (ROOT, ROOT / "src" / "api_gateway")
    return [path for path in named_sources(document) if not any((place / path).is_file() for place in places)]


def commands(document: str) -> list[list[str]]:
    """What a reader is told to type: lines of unmarked code blocks and code in backticks, as words."""
    lines = [line for block in blocks(document, "") for line in block.splitlines()]
    lines += [code[0].strip("`") for code in _CODE.finditer(prose(document))]
    programs = ("make ", "api-gateway ", "python -m ")
    return [line.split() for line in map(str.strip, lines) if line.startswith(programs)]
