"""Fields: the kinds of value that a configuration holds.

Rule: one annotated type a kind, each strict and each with its own remedy. Text from the
environment must do where a number or a flag is wanted (`port: ${PORT}`), so those read text too.

What it does not do: compare values with each other (`cross_checks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, SecretStr, WithJsonSchema

from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.config.units import DURATION_REMEDY, SIZE_REMEDY, parse_duration, parse_rate, parse_size
from api_gateway.core.clock import NANOSECONDS

_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)


def text(value: object) -> str:
    """Text that is not empty."""
    if not isinstance(value, str):
        remedy = "put it in quotes" if isinstance(value, int | float) else "write a text"
        raise Refusal(f"expected text, not {shown(value)}", remedy)
    if not value.strip():
        raise Refusal("expected text, found none", "fill it in, or leave the key out")
    return value


def choice(kind: str, *names: str) -> Callable[[object], str]:
    """A validator for one of `names`; `kind` is the key it stands behind."""

    def check(value: object) -> str:
        name = text(value)
        if name in names:
            return name
        raise Refusal(f"unknown {kind} {name!r}", did_you_mean(name, names, "there are"))

    return check


def _whole_number(value: object, low: int, high: int, kind: str) -> int:
    remedy = f"write a whole number from {low} to {high}"
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal(f"expected a {kind}, not {shown(value)}", remedy)
    if not low <= value <= high:
        raise Refusal(f"{kind} {value} is out of range", remedy)
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Refusal(f"expected true or false, not {shown(value)}", "write true or false")


def _positive_duration(value: object) -> float:
    seconds = parse_duration(value)
    if round(seconds * NANOSECONDS) == 0:
        raise Refusal("the duration is zero", DURATION_REMEDY)
    return seconds


def _positive_size(value: object) -> int:
    size = parse_size(value)
    if size <= 0:
        raise Refusal("the size is zero", SIZE_REMEDY)
    return size


def _rate(value: object) -> str:
    parse_rate(value)
    return str(value)


def _network(value: object) -> str:
    remedy = "write a network such as 10.0.0.0/8, fd00::/8, or a single address"
    name = text(value)
    try:
        return str(ip_network(name))
    except ValueError:
        pass
    try:
        meant = ip_network(name, strict=False)
    except ValueError:
        raise Refusal(f"{name!r} is not an IP network", remedy) from None
    raise Refusal(f"{name!r} has bits set behind its prefix, perhaps {meant} was meant", remedy)


def _secret(value: object) -> str:
    # Never shown, not even where it is wrong.
    if not isinstance(value, str) or not value.strip():
        raise Refusal("expected a secret, as text", "write ${NAME} and set the environment variable NAME")
    try:
        value.encode()
    except UnicodeEncodeError:  # the environment can hold any bytes
        raise Refusal("the secret is not text in UTF-8", "set one that is, such as hexadecimal digits") from None
    return value


def _file(value: object) -> Path:
    name = text(value)
    if "\0" in name:
        raise Refusal(f"{shown(name)} is not the name of a file", "write a path")
    return Path(name)


def _schema(description: str, *types: str, examples: Collection[object] = ()) -> WithJsonSchema:
    return WithJsonSchema({"type": list(types), "description": description, "examples": list(examples)})


Text: TypeAlias = Annotated[str, BeforeValidator(text)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag), _schema("true or false", "boolean", "string")]
Port: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: _whole_number(value, 0, 65535, "port")),
    _schema("A port, from 0 to 65535", "integer", "string"),
]
"""0 lets the system choose."""
Weight: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: _whole_number(value, 1, 1000, "weight")),
    _schema("A weight, from 1 to 1000", "integer", "string"),
]
Count: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: _whole_number(value, 1, 1_000_000, "count")),
    _schema("A count, at least 1", "integer", "string"),
]
Duration: TypeAlias = Annotated[
    float, BeforeValidator(_positive_duration), _schema("A duration", "string", "number", examples=["250ms", "3s"])
]
"""Seconds, more than 0."""
DurationOrZero: TypeAlias = Annotated[
    float, BeforeValidator(parse_duration), _schema("A duration, or 0", "string", "number", examples=["30s", 0])
]
"""Seconds."""
Size: TypeAlias = Annotated[
    int, BeforeValidator(_positive_size), _schema("A size", "string", "integer", examples=["10KiB", "1MiB"])
]
"""Bytes, more than 0."""
RateText: TypeAlias = Annotated[str, BeforeValidator(_rate)]
"""A rate as it was written; `units.parse_rate` reads it."""
Network: TypeAlias = Annotated[str, BeforeValidator(_network)]
"""`address/prefix`."""
Secret: TypeAlias = Annotated[
    SecretStr, BeforeValidator(_secret), _schema("A secret, from the environment: ${NAME}", "string")
]
FilePath: TypeAlias = Annotated[Path, BeforeValidator(_file), _schema("The path of a file", "string")]
"""Relative to where the gateway was started; whether it is there is found out when it is read."""
