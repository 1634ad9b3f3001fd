"""Load: a YAML file in, a `GatewayConfig` or every problem with its line and column out.

Rule: YAML as YAML 1.2 means it, so that text stays text. Only `true` and `false` are flags (`NO`
is a country), `1:30` is no number, and a key that is there twice is an error: PyYAML by itself
takes `NO` for False, `1:30` for 90, and silently lets the last key win.

Anchors, aliases and `<<` work. What aliases unfold to is bounded, because nine lines can stand
for a billion values.

What it does not do: construct objects from tags, or say anything as a traceback.

Source: YAML 1.2.2 section 10.3 (core schema).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Final

import yaml

from api_gateway.config.environment import expand_document
from api_gateway.config.problems import ConfigurationProblems, Finding, Path, Problem
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.validate import validate

MAX_REPEATED = 100_000
"""Values that aliases may add to a document."""
MAX_DEPTH = 50

# YAML ends a plain text at a brace inside {...}, so `{secret: ${NAME}}` would be no YAML. The braces
# of a variable are put out of its sight for the time of parsing: same length, same columns.
_VARIABLE: Final = re.compile(r"\$\{([^{}\n]*)\}")
_HIDDEN: Final = "\ue000\ue001"
_RESTORED: Final = str.maketrans(_HIDDEN, "{}")

_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final[Mapping[str, Callable[[str], object]]] = {
    _TAG + "str": str,
    _TAG + "int": int,
    _TAG + "float": float,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "null": lambda _: None,
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML declares it so, and copies it on change


_Loader.add_implicit_resolver(_TAG + "bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_TAG + "int", re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(_TAG + "float", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+\Z"), list("-+0123456789"))


def load_config(path: FilePath, environment: Mapping[str, str], *, plugins: Collection[str] = ()) -> GatewayConfig:
    """Read, expand and check the configuration file at `path`.

    `plugins` are names of middleware beyond what is built in or installed.

    Raises:
        ConfigurationProblems: the file cannot be used; everything that is wrong with it.
    """
    file = str(path)
    document = _Document(file, _read(path))
    expansion = expand_document(document.value, environment)
    config, findings = validate(expansion.document, plugins=plugins)
    # Nothing is said of values that never came, or of what stands below a refused key.
    unset = {finding.path for finding in expansion.findings}
    refused = {finding.path for finding in findings if finding.at_key}
    findings = [finding for finding in findings if finding.at_key or document.nearest(finding.path) not in unset]
    findings += [finding for finding in expansion.findings if refused.isdisjoint(_prefixes(finding.path))]
    problems = {*document.problems, *(document.placed(finding, expansion.originals) for finding in findings)}
    if problems or config is None:
        raise ConfigurationProblems(sorted(problems))
    return config


def load_document(path: FilePath, *needed: str) -> object:
    """The values of a YAML file beside the configuration, with the keys `needed` at its top; no variable is expanded.

    Raises:
        ConfigurationProblems: it is no YAML as the gateway takes it.
    """
    document = _Document(str(path), _read(path), needed)
    if document.problems:
        raise ConfigurationProblems(sorted(document.problems))
    return document.value


def _read(path: FilePath) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise _alone(path, 1, 1, f"cannot be read: {error.strerror or error}; check the name and the rights") from None
    except UnicodeDecodeError as error:
        before: bytes = error.object[: error.start]
        line, start = before.count(b"\n") + 1, before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8")) + 1
        raise _alone(path, line, column, "not UTF-8; save the file in that encoding") from None


def _alone(file: FilePath | str, line: int, column: int, message: str) -> ConfigurationProblems:
    return ConfigurationProblems([Problem(str(file), line, column, message)])


def _prefixes(path: Path) -> Iterator[Path]:
    return (path[:length] for length in range(1, len(path) + 1))


class _Document:
    """A YAML document as plain values, and the place of each."""

    def __init__(self, file: str, text: str, needed: Sequence[str] = ("services", "routes")) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._needed = needed
        self._keys: dict[Path, tuple[int, int]] = {}
        self._values: dict[Path, tuple[int, int]] = {}
        self._seen: set[int] = set()
        self._repeated = 0
        self._hides = not any(character in text for character in _HIDDEN)
        if self._hides:
            text = _VARIABLE.sub(rf"${_HIDDEN[0]}\1{_HIDDEN[1]}", text)
        root = self._composed(text)
        self.value = self._read(root, ())

    def nearest(self, path: Path) -> Path:
        """The innermost node on the way to `path` that the file has."""
        while path not in self._values:
            path = path[:-1]
        return path

    def placed(self, finding: Finding, originals: Mapping[Path, str]) -> Problem:
        """A finding with its line and column, without what came out of the environment."""
        path = self.nearest(finding.path)
        line, column = self._keys.get(path, self._values[path]) if finding.at_key else self._values[path]
        cause = finding.cause
        if path in originals and not finding.at_key:
            cause = f"{originals[path]!r} expands to a value that does not fit here"
        other = ""
        if finding.other is not None:
            other_line, other_column = self._values[self.nearest(finding.other)]
            other = f" (line {other_line}, column {other_column})"
        return Problem(self._file, line, column, f"{cause}{other}; {finding.remedy}")

    def _composed(self, text: str) -> yaml.Node:
        try:
            root = _Loader(text).get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = ", ".join(part for part in (error.context, error.problem) if part)
            raise _alone(self._file, line, column, f"not YAML: {what}; correct the syntax") from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            message = f"not YAML: the character U+{ord(text[error.position]):04X} is not allowed; remove it"
            raise _alone(self._file, line, column, message) from None
        except RecursionError:
            raise _alone(self._file, 1, 1, f"nested too deeply; {MAX_DEPTH} levels are allowed") from None
        if root is None:
            raise _alone(self._file, 1, 1, f"the file is empty; it needs at least {self._keys_needed('')}")
        if not isinstance(root, yaml.MappingNode):
            message = f"expected a mapping at the top; begin with {self._keys_needed(':')}"
            raise _alone(self._file, *_place(root), message)
        return root

    def _keys_needed(self, end: str) -> str:
        return " and ".join(f"'{key}{end}'" for key in self._needed)

    def _read(self, node: yaml.Node, path: Path) -> object:
        self._values[path] = _place(node)
        self._count(node)
        if len(path) > MAX_DEPTH:
            raise _alone(self._file, *_place(node), f"nested too deeply; {MAX_DEPTH} levels are allowed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._read(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), "YAML has three kinds of node"
        try:
            return _SCALARS[node.tag](self._text(node))
        except (KeyError, ValueError):
            self._report(node, f"the tag {node.tag.replace(_TAG, '!!')!r} cannot be used here; remove it")
            return node.value

    def _count(self, node: yaml.Node) -> None:
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > MAX_REPEATED:
            message = f"aliases unfold to more than {MAX_REPEATED} values; write fewer of them"
            raise _alone(self._file, *_place(node), message)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        sources: list[yaml.Node] = []
        for key, value in node.value:
            if _is_merge(key):
                sources += _sources(value)
            elif not isinstance(key, yaml.ScalarNode):
                self._report(key, "a key must be text; write it as one word")
            elif (name := self._text(key)) in values:
                line, column = self._keys[*path, name]
                self._report(key, f"the key {name!r} is there twice (line {line}, column {column}); remove one")
            else:
                self._enter(key, value, path, values)
        for key, value in self._inherited(sources):
            if self._text(key) not in values:  # what a mapping says itself comes before what it inherits
                self._enter(key, value, path, values)
        return values

    def _enter(self, key: yaml.ScalarNode, value: yaml.Node, path: Path, values: dict[str, object]) -> None:
        name = self._text(key)
        self._keys[*path, name] = _place(key)
        values[name] = self._read(value, (*path, name))

    def _text(self, node: yaml.ScalarNode) -> str:
        text: str = node.value
        return text.translate(_RESTORED) if self._hides else text

    def _inherited(self, sources: list[yaml.Node]) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        while sources:
            source = sources.pop(0)
            self._count(source)
            if not isinstance(source, yaml.MappingNode):
                self._report(source, "'<<' takes a mapping, or a list of them; refer to one with *name")
                continue
            sources[:0] = [nested for key, value in source.value if _is_merge(key) for nested in _sources(value)]
            yield from (
                pair for pair in source.value if isinstance(pair[0], yaml.ScalarNode) and not _is_merge(pair[0])
            )

    def _report(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self._file, *_place(node), message))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.style is None


def _sources(value: yaml.Node) -> list[yaml.Node]:
    return list(value.value) if isinstance(value, yaml.SequenceNode) else [value]
