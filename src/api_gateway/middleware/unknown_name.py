"""Unknown name: a word in a template or an expression that stands for nothing.

Rule: whoever checks a configuration can suggest the nearest of `known`; this layer only says what there is.
"""

from __future__ import annotations

from collections.abc import Collection

from api_gateway.core.errors import ConfigurationError


class UnknownName(ConfigurationError):
    """`name` is none of `known`, which are of one `kind`."""

    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; there are: {', '.join(sorted(known))}")
        self.kind = kind
        self.name = name
        self.known = known
