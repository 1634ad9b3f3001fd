"""Letter case: `userId` here, `user_id` there.

Rule: the names of all members, at every level, and never a value. What stands in front of a name (`_links`, `$ref`)
stays. Two names that would become one are an error: one of the values would be lost.

| snake_case                            | camel_case                           |
|---------------------------------------|--------------------------------------|
| userId, user_id -> user_id            | user_id, userId -> userId            |
| HTTPServer -> http_server             | http_server -> httpServer            |
| userID, UserID -> user_id             | user__id -> userId                   |

Bound: as deep and as many as the document, whose limits are checked before (`body/json_limits.py`).
Cost: 0.3 us a name; short names are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GAP = re.compile(r"(?<=[A-Za-z0-9])_+([A-Za-z0-9])")
_LONGEST_REMEMBERED = 64


def snake_case(value: object) -> object:
    """`value` with the names of its members in snake case.

    Raises:
        ValueError: two names in one object become the same.
    """
    return _renamed(value, _snake)


def camel_case(value: object) -> object:
    """`value` with the names of its members in camel case. Raises as `snake_case` does."""
    return _renamed(value, _camel)


def _renamed(value: object, rename: Callable[[str], str]) -> object:
    if isinstance(value, dict):
        members = {rename(name): _renamed(member, rename) for name, member in value.items()}
        if len(members) != len(value):
            raise ValueError("two names become one")
        return members
    return [_renamed(element, rename) for element in value] if isinstance(value, list) else value


def _to_snake(name: str) -> str:
    return name if name.islower() else _HUMP.sub("_", name).lower()


def _to_camel(name: str) -> str:
    return _GAP.sub(lambda match: match[1].upper(), name)


# Only what is as short as honest names is remembered: long ones would be memory for the asking.
_remembered_snake, _remembered_camel = lru_cache(maxsize=1024)(_to_snake), lru_cache(maxsize=1024)(_to_camel)


def _snake(name: str) -> str:
    return _remembered_snake(name) if len(name) <= _LONGEST_REMEMBERED else _to_snake(name)


def _camel(name: str) -> str:
    return _remembered_camel(name) if len(name) <= _LONGEST_REMEMBERED else _to_camel(name)
