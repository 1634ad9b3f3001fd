"""The laws that a machine can check, read from the source itself."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "api_gateway"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 250

# Whoever needs one of these is handed a Clock or a random.Random (law 4).
BANNED = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "sleep",
    },
    "datetime.datetime": {"now", "utcnow", "today"},
    "datetime.date": {"today"},
    "random": {"random", "choice", "choices", "randint", "randrange", "uniform", "getrandbits", "shuffle", "seed"},
    "uuid": {"uuid1", "uuid4"},
}
THE_CLOCK = PACKAGE / "core" / "clock.py"


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_text(path), filename=str(path))


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Classes and functions that others may use, with their methods; not what is inside a function."""

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for node in body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("_") and not node.name.startswith("__"):
                continue
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    yield from walk(tree.body, "")


def test_there_is_source_to_check() -> None:
    assert {"core/asgi.py", "routing/router.py", "backend/backend_service.py"} <= {_name(path) for path in SOURCES}


def test_no_source_file_is_longer_than_one_sitting() -> None:
    lengths = {_name(path): len(_text(path).splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_module_says_what_it_is() -> None:
    assert [_name(path) for path in SOURCES if not ast.get_docstring(_tree(path))] == []


def test_every_public_class_and_function_says_what_it_means() -> None:
    silent = [
        f"{_name(path)}: {name}"
        for path in SOURCES
        for name, node in _definitions(_tree(path))
        # A method may be explained by its class, as the linter has it; a class or function stands alone.
        if "." not in name
        and not name.startswith("_")
        and isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_time_and_chance_are_asked_for_in_one_place_only() -> None:
    used = {path: set(_banned_uses(_tree(path))) for path in SOURCES}
    found = {_name(path): names for path, names in used.items() if names}
    assert found == {_name(THE_CLOCK): {"time.monotonic_ns", "time.time"}}


def _banned_uses(tree: ast.Module) -> Iterator[str]:
    """Dotted names of banned things that a module refers to, whatever it calls them."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        dotted = _dotted(node, known) if isinstance(node, ast.Name | ast.Attribute) else None
        if dotted:
            owner, _, member = dotted.rpartition(".")
            if member in BANNED.get(owner, ()):
                yield dotted


def _dotted(node: ast.AST, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, known)
        return f"{owner}.{node.attr}" if owner else None
    return None


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import time\nnow = time.time", {"time.time"}),
        ("import time as t\nt.monotonic()", {"time.monotonic"}),
        ("from time import sleep as nap\nnap(1)", {"time.sleep"}),
        ("import datetime\ndatetime.datetime.now()", {"datetime.datetime.now"}),
        ("from datetime import datetime as d\nd.now()", {"datetime.datetime.now"}),
        ("from random import choice\nchoice([1])", {"random.choice"}),
        ("import random\nrandom.Random(1).random()", set()),
        ("from uuid import uuid4\nuuid4()", {"uuid.uuid4"}),
        ("clock.time()", set()),
    ],
)
def test_the_search_for_banned_calls_finds_them_under_any_name(code: str, found: set[str]) -> None:
    assert set(_banned_uses(ast.parse(code))) == found


def test_no_public_signature_says_anything_goes() -> None:
    loose = [
        f"{_name(path)}: {name}"
        for path in SOURCES
        for name, node in _definitions(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for annotation in _annotations(node)
        if any(_is_any(part) for part in ast.walk(annotation))
    ]
    assert loose == []


def test_any_appears_only_in_asgis_own_shapes() -> None:
    """Aliases and class attributes are part of the public face too."""
    loose = sorted((path.parent.name, declaration) for path in SOURCES for declaration in _loose_declarations(path))
    assert loose == [
        ("core", "Message: TypeAlias = MutableMapping[str, Any]"),
        ("core", "Scope: TypeAlias = MutableMapping[str, Any]"),
    ]


def _loose_declarations(path: Path) -> Iterator[str]:
    tree = _tree(path)
    classes = [node.body for _, node in _definitions(tree) if isinstance(node, ast.ClassDef)]
    for node in (node for body in (tree.body, *classes) for node in body):
        if not isinstance(node, ast.AnnAssign) or not any(_is_any(part) for part in ast.walk(node)):
            continue
        if isinstance(node.target, ast.Name) and not node.target.id.startswith("_"):
            yield ast.unparse(node)


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    yield from (argument.annotation for argument in every if argument is not None and argument.annotation is not None)
    if node.returns is not None:
        yield node.returns


def _is_any(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return "Any" in node.value.replace("[", " ").replace("]", " ").replace(",", " ").split()
    return (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")


def test_the_layers_hold() -> None:
    if find_spec("importlinter") is None:
        pytest.skip("import-linter is not installed; `make check` installs and runs it")
    lint = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    finished = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "0 broken" in finished.stdout


def test_policy_routing_and_backend_do_not_know_each_other() -> None:
    """Law 3, read from the imports, so that it is checked where import-linter is not installed."""
    parts = ("middleware", "routing", "backend")
    crossings = [
        f"{_name(path)} imports {module}"
        for part in parts
        for path in (PACKAGE / part).rglob("*.py")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
        if module.startswith(tuple(f"api_gateway.{other}" for other in parts if other != part))
    ]
    assert crossings == []


def test_the_core_needs_the_standard_library_only() -> None:
    """A fresh interpreter that imports the core, routing and backend has loaded nobody else's code."""
    script = (
        "import sys; before = set(sys.modules); import api_gateway\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(tops - set(sys.stdlib_module_names) - {'api_gateway'}))"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert finished.stdout.strip() == "[]"


def _patterns(module: str) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, re.Pattern):
            yield value


def _operations(tree: object) -> Iterator[object]:
    """The operations of a parsed regular expression, at any depth."""
    parts = getattr(tree, "data", tree)
    for part in parts if isinstance(parts, list | tuple) else ():
        yield part
        yield from _operations(part)


def _cannot_give_back(pattern: str | bytes) -> bool:
    unable = (re._constants.POSSESSIVE_REPEAT, re._constants.ATOMIC_GROUP)  # type: ignore[attr-defined]
    return any(operation in unable for operation in _operations(re._parser.parse(pattern)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("pattern", [r"(?:/a++)*+/?", r"(?:(?:x)+y|(?>z))", rb"\d?+"])
def test_the_search_for_possessive_quantifiers_finds_them(pattern: str | bytes) -> None:
    assert _cannot_give_back(pattern)
    assert not _cannot_give_back(r"(?:/[a+]+)*/?")


def test_no_pattern_is_possessive() -> None:
    """Python 3.11.2, which is Debian 12's, matches "/." with (?:/(?!\\.)[a-z.]++)*+/? and let it through."""
    with_patterns = [path for path in SOURCES if "re.compile" in _text(path)]
    modules = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in with_patterns]
    patterns = [(module, pattern.pattern) for module in modules for pattern in _patterns(module)]
    assert patterns, "there are patterns to look at"
    assert [found for found in patterns if _cannot_give_back(found[1])] == []
