"""Share: a part of a whole in the configuration, as a number and not in per cent.

What it does not do: say of what. The key does.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from api_gateway.config.problems import Refusal, shown

_REMEDY = "write a number greater than 0 and at most 1, such as 0.5"
_REMEDY_OR_ZERO = "write a number from 0 to 1, such as 0.5"


def number(value: object, kind: str, remedy: str) -> float:
    """A number, or the text of one; nothing that is none passes, and no flag."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Refusal(f"expected {kind}, not {shown(value)}", remedy) from None
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        raise Refusal(f"expected {kind}, not {shown(value)}", remedy)
    return float(value)


def _share(value: object) -> float:
    share = number(value, "a share", _REMEDY)
    if not 0 < share <= 1:
        raise Refusal(f"expected a share, not {shown(value)}", _REMEDY)
    return share


def _share_or_zero(value: object) -> float:
    share = number(value, "a share", _REMEDY_OR_ZERO)
    if not 0 <= share <= 1:
        raise Refusal(f"expected a share, not {shown(value)}", _REMEDY_OR_ZERO)
    return share


Share: TypeAlias = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 1}),
]
"""More than 0, at most 1."""
ShareOrZero: TypeAlias = Annotated[
    float, BeforeValidator(_share_or_zero), WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1})
]
"""0 to 1."""
