"""Access log: one line for each finished request.

Rule: a request is logged when its response is *finished*, so the line has the bytes that were
really sent and the time the body took. A body cut short is logged with the reason's flag; a
client that left before there was an answer as 499 `DC`.

The line goes to the logger `api_gateway.access` at INFO; whoever runs the gateway decides where
that leads. `access_log_format.py` says what is in it, and what never is.

Cost: where the logger is off for INFO, one check. Where it is on, a line costs as much as the
rest of the pipeline, about half of it in `logging` itself.

What it does not do: log the start of a request, or sample.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import ClientDisconnected
from api_gateway.core.middleware import Handler, Observer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.access_log_format import FORMATS, AccessLogEntry, FormatName
from api_gateway.middleware.outcome import CLIENT_GONE_FLAG, CLIENT_GONE_STATUS, outcome

_log = logging.getLogger("api_gateway.access")


class LoggingMiddleware(Observer):
    """Writes the access log."""

    __slots__ = ("_clock", "_line")

    def __init__(self, format: FormatName = "json", clock: Clock | None = None) -> None:  # noqa: A002  # its name in the configuration
        """`format` is one of `json`, `combined`, `human`.

        Raises:
            ValueError: there is no such format.
        """
        if format not in FORMATS:
            raise ValueError(f"an access log format is one of {', '.join(FORMATS)}, not {format!r}")
        self._line = FORMATS[format]
        self._clock = clock or SystemClock()

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Answer, and log when the answer is finished."""
        if _log.isEnabledFor(logging.INFO):
            return self._logged(request, context, call_next)
        return call_next(request, context)

    async def _logged(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        try:
            response = await call_next(request, context)
        except (asyncio.CancelledError, ClientDisconnected):
            head_duration = self._clock.monotonic() - context.started
            gone = (CLIENT_GONE_FLAG, "the client left before the answer")
            self._write(request, context, CLIENT_GONE_STATUS, 0, head_duration, gone)
            raise
        head_duration = self._clock.monotonic() - context.started

        def finished() -> None:
            end = outcome(response, context)
            self._write(request, context, response.status, response.bytes_sent, head_duration, end)

        response.on_close(finished)
        return response

    def _write(
        self,
        request: Request,
        context: RequestContext,
        status: int,
        bytes_sent: int,
        head_duration: int,
        end: tuple[str, str],
    ) -> None:
        duration = self._clock.monotonic() - context.started
        entry = AccessLogEntry(self._clock.wall(), request, context, status, bytes_sent, duration, head_duration, *end)
        _log.info(self._line(entry))
