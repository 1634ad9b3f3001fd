"""Seeds: caches as tutorials write them, kept for their bugs. Never use one of these.

`SeedCache` is the one that most articles have: a dictionary from method and path to an answer. Four mistakes:

| mistake                                     | what follows                                              |
|---------------------------------------------|-----------------------------------------------------------|
| the key has no query, no caller, no `Vary`  | one client gets what was made for another                 |
| who finds nothing asks, whoever else does   | all who come while the answer is made ask, too (stampede) |
| `Cache-Control` is not read                 | what must not be kept is kept                             |
| nothing ever leaves                         | it grows                                                  |

`LockedCache` is the usual repair of the second: a lock for each key. It has a fifth mistake: where the answer may not
be kept, those who waited go to the service one after the other.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response


class SeedCache:
    """Middleware: find the bugs."""

    def __init__(self, lasting: float) -> None:
        """Keep each answer for `lasting` seconds."""
        self._lasting = lasting
        self._kept: dict[str, tuple[float, Response]] = {}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """What is kept, or what the service says."""
        key = f"{request.method} {request.path}"
        now = asyncio.get_running_loop().time()
        ends, kept = self._kept.get(key, (0.0, Response()))
        if now >= ends:
            kept = await call_next(request, context)
            self._kept[key] = now + self._lasting, kept
        return Response(kept.status, kept.headers, kept.body)


class LockedCache:
    """Middleware: one at a time for each key, and what says that it may not be kept is not."""

    def __init__(self) -> None:
        """Start with nothing; what may be kept is kept for ever."""
        self._kept: dict[str, Response] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """What is kept, or what the service says when it is this request's turn."""
        key = f"{request.method} {request.path}"
        async with self._locks[key]:
            kept = self._kept.get(key)
            if kept is None:
                kept = await call_next(request, context)
                if "no-store" not in kept.headers.tokens("cache-control"):
                    self._kept[key] = kept
        return Response(kept.status, kept.headers, kept.body)
