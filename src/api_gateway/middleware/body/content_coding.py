"""Content coding: a compressed body, made readable for inspection, and never larger than allowed.

Rule: one coding at most, `gzip` or `deflate`. What comes out is counted while it comes out, so a bomb costs no more
memory than the limit, whatever its ratio. The stream must be complete and end where the body ends: behind the end
of a first gzip member some readers see nothing, others a second document, so nothing may stand there.
`deflate` is the zlib format, as RFC 9110 says; the bare one that some senders mean is refused.

Cost: linear in what is read and what comes out. Bound: twice the limit, for the body and what it holds.

What it does not do: change what the service gets, which is the body as it came. `br` and `zstd` need packages that
the gateway does not have, and are refused like any coding it cannot look into.

Source: RFC 9110 sections 8.4 (Content-Encoding) and 12.5.3 (Accept-Encoding in a 415); RFC 1950, RFC 1952.
"""

from __future__ import annotations

import zlib

from api_gateway.core.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from api_gateway.core.headers import Headers

ACCEPT_ENCODING = "gzip, deflate"
"""The codings that can be looked into, as a refusal names them."""

_GZIP, _ZLIB = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
_WINDOW_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


def content_coding(headers: Headers) -> str:
    """The coding of a body that comes with `headers`; empty for none.

    Raises:
        UnsupportedMediaType: it is unknown, or there are several.
    """
    codings = [coding.lower() for coding in headers.tokens("content-encoding")]
    codings = [coding for coding in codings if coding != "identity"]
    if not codings:
        return ""
    if len(codings) > 1:
        raise _unsupported("The body is coded more than once.")
    if codings[0] not in _WINDOW_BITS:
        raise _unsupported("The body's coding is not one that can be inspected here.")
    return codings[0]


def decoded(body: bytes, coding: str, limit: int) -> bytes:
    """What `body` holds, at most `limit` bytes.

    Raises:
        BadRequest: it is not in this coding, is cut off, or goes on behind its end.
        PayloadTooLarge: it holds more than `limit` bytes.
    """
    stream = zlib.decompressobj(_WINDOW_BITS[coding])
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error:
        raise BadRequest("The body is not in the coding that Content-Encoding names.") from None
    if len(content) > limit:
        raise PayloadTooLarge(f"The request body holds more than {limit} bytes.")
    if not stream.eof:
        raise BadRequest("The compressed body is cut off.")
    if stream.unused_data:
        raise BadRequest("The compressed body goes on behind its end.")
    return content


def _unsupported(detail: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(detail, headers=Headers({"accept-encoding": ACCEPT_ENCODING}))
