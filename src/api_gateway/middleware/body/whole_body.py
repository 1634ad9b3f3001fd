"""Whole body: a request's body in memory, where a document has to be looked at as one.

Rule: as in `body_limit.py`: an announced length over the limit is refused before a byte is read, and every body at the
first byte too many. The length that was announced is held against the one that came.

Bound: the limit. What it does not do: stream; `body_limit.py` does.
"""

from __future__ import annotations

from api_gateway.core.errors import BadRequest, PayloadTooLarge
from api_gateway.core.request import Request

_MOST_DIGITS = 19  # of a 63-bit length; int() itself refuses thousands of digits


async def whole_body(request: Request, limit: int) -> bytes:
    """The body in memory, at most `limit` bytes.

    Raises:
        BadRequest: it is not as long as its Content-Length.
        PayloadTooLarge: it is, or turns out to be, over the limit.
    """
    if isinstance(request.body, bytes):
        if len(request.body) > limit:
            raise _too_large(limit)
        return request.body
    announced = _announced(request, limit)
    content = bytearray()  # a list of the chunks would cost far more than they hold, if they are small
    async for chunk in request.body:
        content += chunk
        if len(content) > limit:
            raise _too_large(limit)
    if announced is not None and announced != len(content):
        raise BadRequest("The body is not as long as its Content-Length says.")
    return bytes(content)


def _announced(request: Request, limit: int) -> int | None:
    length = request.header("content-length")
    if length is None:
        return None
    if not (length.isascii() and length.isdecimal()):
        raise BadRequest("Content-Length is not a number.")
    if len(length) > _MOST_DIGITS or int(length) > limit:
        raise _too_large(limit)
    return int(length)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes.")
