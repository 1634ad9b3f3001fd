"""Expression functions: what expressions have beside JMESPath's own.

| function                             | gives                                                                        |
|--------------------------------------|------------------------------------------------------------------------------|
| format_date(text, '%b %-d, %Y')      | a time as people write it (`date_format.py`); null for null                  |
| snake_case(value), camel_case(value) | the value with the names of all its members so (`letter_case.py`)            |
| without(object, ['cost', 'x_*'])     | the object less these members, or those that begin so                        |
| now()                                | the time, `2024-01-15T10:30:00.000Z`                                         |
| request_id()                         | the name of the request in every log; null where it has none                 |

Of the library's own: `merge(a, b)` puts objects together, and the later wins.

Rule: each has one type for each argument, and checks it. `join` is bounded here, because its separator may come from
a document and be repeated as often as that document likes.

What it does not do: reach for anything outside the document but the clock and the request's name.

Source: https://jmespath.org/specification.html#functions.
"""

from __future__ import annotations

from jmespath.functions import Functions, signature

from api_gateway.core.clock import Clock
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.request_facts import timestamp
from api_gateway.middleware.transform.date_format import format_date
from api_gateway.middleware.transform.letter_case import camel_case, snake_case

LONGEST_TEXT = 1024 * 1024
"""Characters that `join` may put together."""


class ExpressionFunctions(Functions):
    """The functions, for one request."""

    def __init__(self, context: RequestContext, clock: Clock) -> None:
        self._context = context
        self._clock = clock

    @signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_format_date(self, text: str | None, pattern: str) -> str | None:
        return None if text is None else format_date(text, pattern)

    @signature({"types": []})
    def _func_snake_case(self, value: object) -> object:
        return snake_case(value)

    @signature({"types": []})
    def _func_camel_case(self, value: object) -> object:
        return camel_case(value)

    @signature({"types": ["object"]}, {"types": ["array-string"]})
    def _func_without(self, value: dict[str, object], names: list[str]) -> dict[str, object]:
        exact = {name for name in names if not name.endswith("*")}
        beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
        return {name: item for name, item in value.items() if name not in exact and not name.startswith(beginnings)}

    @signature()
    def _func_now(self) -> str:
        return timestamp(self._clock)

    @signature()
    def _func_request_id(self) -> str | None:
        return self._context.request_id or None

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, texts: list[str]) -> str:
        if sum(map(len, texts)) + len(separator) * len(texts) > LONGEST_TEXT:
            raise ValueError("the text is too long")
        return separator.join(texts)
