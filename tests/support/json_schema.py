"""Another implementation of JSON Schema, to compare ours with."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import pytest


@cache
def other_implementation() -> type[Any]:
    """The validator of `jsonschema`, imported when a test asks.

    Without its checker of IRIs, whose grammar takes seconds to build and which no schema here asks for.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rfc3987_syntax", None)
        import jsonschema  # type: ignore[import-untyped]  # it has no types
    validator: type[Any] = jsonschema.Draft202012Validator
    return validator
