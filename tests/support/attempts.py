"""A service that does what a script says, call by call, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

from api_gateway import Request, RequestContext, Response
from api_gateway.core.errors import GatewayError

Outcome: TypeAlias = int | Response | GatewayError | Exception
"""A status, a response or an error."""

GET = Request("GET", "/")
POST = Request("POST", "/", body=b"order")


class Scripted:
    """The n-th call has the n-th outcome; the last one goes for all that follow.

    Every answer of a status is streamed, so that it is held until somebody closes it.
    """

    def __init__(self, *outcomes: Outcome, takes: Sequence[float] = (0.0,), reads_body: bool = False) -> None:
        """`takes` is how many seconds each call lasts, in the same way."""
        self.outcomes = outcomes
        self.takes = takes
        self.reads_body = reads_body
        self.times: list[float] = []
        """When each call began."""
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.tried: list[tuple[str, ...]] = []
        self.open = 0
        """Calls that run, and answers that nobody has closed."""
        self.cancelled = 0

    @property
    def calls(self) -> int:
        return len(self.times)

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        number = self.calls
        self.times.append(asyncio.get_running_loop().time())
        self.requests.append(request)
        self.tried.append(context.tried)
        context.attempts += 1
        context.endpoint = f"http://{number}"
        self.open += 1
        try:
            if self.reads_body:
                self.bodies.append(await request.read())
            await asyncio.sleep(self.takes[min(number, len(self.takes) - 1)])
            outcome = self.outcomes[min(number, len(self.outcomes) - 1)]
            if isinstance(outcome, Exception):
                raise outcome
        except asyncio.CancelledError:
            self.cancelled += 1
            self.open -= 1
            raise
        except BaseException:
            self.open -= 1
            raise
        response = outcome if isinstance(outcome, Response) else Response(outcome, body=_numbered(number))
        response.on_close(self._closed)
        return response

    def _closed(self) -> None:
        self.open -= 1


async def _numbered(number: int) -> AsyncIterator[bytes]:
    yield b"%d" % number


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A body that can be read once."""
    for part in parts:
        yield part
