"""Provider answer: ask an identity provider for a document, and take it only if it is one.

Rule: 200, complete, of a bounded size, within a bounded time; anything else is a failure, a redirect too. What the
provider's Handler raises is one as well, whatever it is: it must not become the answer to somebody's request.

What it does not do: retry, or keep anything (`remote_key_set.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple, cast

from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.errors import GatewayError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_HEADERS = Headers({"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"})

_log = logging.getLogger("api_gateway.jwks")


class ProviderFailed(Exception):
    """It did not give the document. `str()` says why, for the log."""


class Answer(NamedTuple):
    """What came."""

    raw: bytes
    cache_control: str


async def ask(provider: Handler, path: str, *, largest: int, timeout: float, clock: Clock) -> Answer:
    """The document at `path`: at most `largest` bytes, within `timeout` seconds.

    Raises:
        ProviderFailed: there is none.
    """
    now = clock.monotonic()
    context = RequestContext(now)
    context.deadline = now + round(timeout * NANOSECONDS)
    try:
        async with asyncio.timeout(timeout):
            response = await provider(Request("GET", path, _HEADERS), context)
            try:
                if response.status != 200:
                    raise ProviderFailed(f"it answered {response.status}")
                raw = await bounded_body(response, largest)
                if raw is None:
                    raise ProviderFailed(f"its answer is longer than {largest} bytes")
            finally:
                await response.close()
    except ProviderFailed:
        raise
    except TimeoutError:
        raise ProviderFailed(f"no answer within {timeout:g} s") from None
    except GatewayError as error:
        raise ProviderFailed(error.detail) from error
    except Exception as error:
        _log.exception("asking for keys failed with a defect")
        raise ProviderFailed(f"a defect: {type(error).__name__}") from error
    return Answer(raw, ", ".join(response.headers.get_all("cache-control")))


async def bounded_body(response: Response, largest: int) -> bytes | None:
    """The whole body; None as soon as it is longer than `largest` bytes."""
    body = bytearray()
    chunks = cast(AsyncGenerator[bytes, None], response.stream())
    async with aclosing(chunks):  # left in the middle, it is closed here, not when it is collected
        async for chunk in chunks:
            body += chunk
            if len(body) > largest:
                return None
    return bytes(body)
