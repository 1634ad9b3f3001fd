"""Environment: `${NAME}`, `${NAME:-default}` and `${file:PATH}` in the text of a configuration.

Rule: values only, never keys. A file stands for its text without the line end behind it: so orchestrators hand over
secrets (`client_secret: ${file:/run/secrets/introspect}`). The default also stands in for a variable that is set but
empty, as in a shell. `$${` is a literal `${`. A variable that is missing, without a default, is an error.

A value from outside may be a secret: for each text that was expanded the original is
kept, and messages show that.

What it does not do: nest (`${A:-${B}}`), run commands, or read a file again when it changes.

Bound: files of at most 64 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from api_gateway.config.problems import Finding, Path, Refusal

_VARIABLE = re.compile(
    r"\$\$\{"
    r"|\$\{file:(?!-)(?P<file>[^}]+)\}"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|\$\{",
    re.ASCII,
)
_LONGEST_FILE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Expansion:
    """A document with its variables replaced."""

    document: object
    originals: dict[Path, str] = field(default_factory=dict)
    """The text as it was written, for each value that was expanded."""
    findings: list[Finding] = field(default_factory=list)


def expand_document(document: object, environment: Mapping[str, str]) -> Expansion:
    """`document` with every text expanded; texts that cannot be are left as they are, and reported."""
    originals: dict[Path, str] = {}
    findings: list[Finding] = []

    def expanded(value: object, path: Path) -> object:
        if isinstance(value, dict):
            return {key: expanded(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [expanded(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            text = expand(value, environment)
        except Refusal as refusal:
            findings.append(Finding(path, refusal.cause, refusal.remedy))
            return value
        originals[path] = value
        return text

    return Expansion(expanded(document, ()), originals, findings)


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`text` with its variables replaced.

    Raises:
        Refusal: a variable is not set and has no default, a file cannot be read, or `${` is not closed.
    """
    missing: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match.group() == "$${":
            return "${"
        if match["file"] is not None:
            return _text_of(match["file"])
        name, default = match["name"], match["default"]
        if name is None:
            raise Refusal(
                "'${' is not followed by a name and '}'", "write ${NAME}, ${file:PATH}, or $${ for a literal ${"
            )
        if default is not None:
            return environment.get(name) or default
        if name not in environment:
            missing.append(name)
        return environment.get(name, "")

    result = _VARIABLE.sub(value, text)
    if missing:
        names = " and ".join(dict.fromkeys(missing))
        remedy = f"set it, or give a default: ${{{missing[0]}:-...}}"
        raise Refusal(f"the environment variable {names} is not set", remedy)
    return result


def _text_of(name: str) -> str:
    try:
        with open(name, "rb") as file:
            content = file.read(_LONGEST_FILE + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise Refusal(f"the file {name} cannot be read: {cause}", "check the name and the rights") from None
    if len(content) > _LONGEST_FILE:
        raise Refusal(f"the file {name} is longer than {_LONGEST_FILE} bytes", "put only the value into it")
    return text.removesuffix("\n").removesuffix("\r")
