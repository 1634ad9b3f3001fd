"""Body transform: JSON in, JSON out.

Rule: what cannot be read in one way only is not read (`body/json_limits.py`); what comes out is UTF-8, without white
space. Everything is bounded: the bytes, what a compressed body holds, depth, members, and what is written. The size of
the result is estimated from below before it is written, because one document may stand in it many times.

Cost: 90 us for 1 KiB of JSON of which four members and a date are made, 35 of them for reading it. It runs on the event
loop, so the limits are also how long everybody else waits: 10 ms for the 10,000 members that are allowed unless
something else is said, 5 ms for 1 MiB of long texts. Bound: some twenty times `max_body`, for a moment.

What it does not do: keep numbers digit by digit: `1.10` becomes `1.1`, and what a double cannot hold is rounded.

Source: RFC 8259; RFC 7493 (I-JSON) section 2.2 for numbers.
"""

from __future__ import annotations

import json
from hashlib import blake2b

from api_gateway.core.clock import Clock
from api_gateway.core.errors import BadRequest, ClientError, PayloadTooLarge, UnprocessableContent
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.body.content_coding import decoded
from api_gateway.middleware.body.json_limits import JsonLimits, NotJson, OverJsonLimit, read_json
from api_gateway.middleware.transform.expression import Expression, ExpressionFailed
from api_gateway.middleware.transform.expression_functions import ExpressionFunctions

MOST_BODY = 1024 * 1024
"""Bytes of a body where no limit is given."""

CHARSETS = frozenset({"", "utf-8"})
"""The charsets of JSON, as a Content-Type may name them."""


class BodyTransform:
    """One expression, and the limits of what it is given and of what it gives."""

    __slots__ = ("_clock", "_expression", "_limits", "max_body", "name")

    max_body: int
    """Bytes."""
    name: bytes
    """Differs where the expression does: a few letters and digits."""

    def __init__(
        self, expression: Expression, clock: Clock, *, max_body: int = MOST_BODY, limits: JsonLimits | None = None
    ) -> None:
        self._expression = expression
        self._clock = clock
        self._limits = limits or JsonLimits()
        self.max_body = max_body
        self.name = blake2b(expression.text.encode(), digest_size=4).hexdigest().encode()

    def apply(self, body: bytes, coding: str, context: RequestContext) -> bytes:
        """What is made of `body`, whose content coding is `coding`.

        Raises:
            ClientError: it is not what can be transformed; the detail begins with "The body".
        """
        content = decoded(body, coding, self.max_body) if coding else body
        try:
            document = read_json(content, self._limits)
            result = self._expression.evaluate(document, ExpressionFunctions(context, self._clock))
        except NotJson as error:
            raise BadRequest(f"The body {error}.") from None
        except OverJsonLimit as error:
            raise UnprocessableContent(f"The body {error}.") from None
        except ExpressionFailed as error:
            raise UnprocessableContent(f"The body is not what is transformed here: it {error}.") from None
        return self._written(result)

    def _written(self, result: object) -> bytes:
        if not _is_longer(result, self.max_body):
            try:
                text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
                written = text.encode()
            except (TypeError, ValueError, RecursionError):  # of an expression's own, such as &name, or 1e308 + 1e308
                raise UnprocessableContent("The body becomes something that JSON cannot write.") from None
            if len(written) <= self.max_body:
                return written
        raise _too_long(self.max_body)


def _too_long(limit: int) -> ClientError:
    return PayloadTooLarge(f"The body would become larger than {limit} bytes.")


def _is_longer(value: object, limit: int) -> bool:
    """Whether `value` surely needs more than `limit` bytes. What is in it twice counts twice, as it is written."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            limit -= len(item)
        elif isinstance(item, dict):
            limit -= 3 * len(item) + sum(map(len, item))
            waiting.extend(item.values())
        elif isinstance(item, list):
            limit -= len(item)
            waiting.extend(item)
        limit -= 1
        if limit < 0:
            return True
    return False
