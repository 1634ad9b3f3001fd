r"""Security events: one stream of what was refused, for whoever watches over the gateway.

| event                  | means                                                                  |
|------------------------|------------------------------------------------------------------------|
| authentication_refused | 401: nobody has proved who is calling                                  |
| forbidden              | 403: the caller may not                                                |
| address_denied         | 403: nobody may from this address                                      |
| malformed              | a request, or bytes that never became one, that the gateway refuses    |
| limit_exceeded         | 429, or a connection over a limit                                      |
| identity_unavailable   | 503: whoever could say who is calling is out of reach                  |

Rule: each is counted, and is one JSON object on one line of the logger `api_gateway.security` at INFO, always with
the same keys in the same order. `client`, `request_id` and `trace_id` lead to the other logs.

A line cannot be forged: JSON escapes, everything but printable ASCII is `\uNNNN`, and every field is cut at
`LONGEST_FIELD` characters. No header, no query and no body is in it. `subject`, who was calling, is personal data:
it is there for `forbidden` and `limit_exceeded` only, where it is what one has to know.

Bound: so many lines of one kind a second; the others are counted, and summed up a second later in a line with
`suppressed`. Each kind has its own allowance, so a flood of malformed requests does not hide one refused key.

Cost: nothing without an event; a count for each, and about 25 us for a line.

What it does not do: find events (`middleware/security_events.py` and the edge do), or decide where lines go
(`server/process_logs.py`).

Source: OWASP Logging Cheat Sheet; CWE-117 (log injection), CWE-779 (too much logging).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock

EventName: TypeAlias = Literal[
    "authentication_refused", "forbidden", "address_denied", "malformed", "limit_exceeded", "identity_unavailable"
]

LINES_PER_SECOND = 100
"""Lines of one kind."""

LONGEST_FIELD = 256
"""Characters."""

_SUM_UP_AFTER = 1.0
_ENCODER = json.JSONEncoder(separators=(",", ":"))

_log = logging.getLogger("api_gateway.security")


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """What is known of a refusal; texts are empty where nothing is."""

    client: str = ""
    """The client's address, as far as it can be believed."""
    method: str = ""
    path: str = ""
    """Without the query."""
    request_id: str = ""
    trace_id: str = ""
    subject: str = ""
    """Who was calling."""
    code: str = ""
    """The machine-readable code of the answer."""
    status: int = 0
    detail: str = ""


class SecurityEvents:
    """The stream of one gateway, in one process."""

    __slots__ = ("_allowances", "_clock", "counts")

    counts: dict[tuple[EventName, str], int]
    """Events since the start, by kind and route; the route is empty where none was found."""

    def __init__(self, clock: Clock | None = None, lines_per_second: int = LINES_PER_SECOND) -> None:
        self._clock = clock or SystemClock()
        self._allowances = {name: _Allowance(lines_per_second) for name in get_args(EventName)}
        self.counts = {}

    @property
    def suppressed(self) -> dict[EventName, int]:
        """Events since the start that have no line of their own."""
        return {name: allowance.suppressed for name, allowance in self._allowances.items()}

    def report(self, name: EventName, route: str, describe: Callable[[], SecurityEvent]) -> None:
        """Count an event; `describe` is called if there will be a line. Call this in the event loop."""
        self.counts[name, route] = self.counts.get((name, route), 0) + 1
        if not _log.isEnabledFor(logging.INFO):
            return
        allowance = self._allowances[name]
        if allowance.begins(self._clock.monotonic() // NANOSECONDS):
            self._sum_up(name)
        if allowance.take():
            event = describe()
            self._write(
                name,
                request_id=event.request_id,
                trace_id=event.trace_id,
                client=event.client,
                method=event.method,
                path=event.path,
                route=route,
                subject=event.subject,
                code=event.code,
                status=event.status,
                detail=event.detail,
            )
        elif allowance.timer is None:
            loop = asyncio.get_running_loop()
            allowance.timer = loop.call_later(_SUM_UP_AFTER, self._sum_up_at_last, name)

    async def close(self) -> None:
        """Say what has not been said."""
        for name, allowance in self._allowances.items():
            if allowance.timer is not None:
                allowance.timer.cancel()
            self._sum_up_at_last(name)

    def _sum_up_at_last(self, name: EventName) -> None:
        self._allowances[name].timer = None
        self._sum_up(name)

    def _sum_up(self, name: EventName) -> None:
        unsaid = self._allowances[name].say()
        if unsaid:
            self._write(name, suppressed=unsaid)

    def _write(self, name: EventName, **fields: str | int) -> None:
        time = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="milliseconds")
        line: dict[str, str | int] = {"time": time.replace("+00:00", "Z"), "event": name}
        for key, value in fields.items():
            line[key] = value[:LONGEST_FIELD] if isinstance(value, str) else value
        _log.info("%s", _ENCODER.encode(line))


class _Allowance:
    """The lines of one kind in this second."""

    __slots__ = ("_left", "_lines_per_second", "_said", "_second", "suppressed", "timer")

    def __init__(self, lines_per_second: int) -> None:
        self._lines_per_second = self._left = lines_per_second
        self._second = -1
        self._said = 0
        self.suppressed = 0
        self.timer: asyncio.TimerHandle | None = None

    def begins(self, second: int) -> bool:
        """Whether this is a new second."""
        if second == self._second:
            return False
        self._second, self._left = second, self._lines_per_second
        return True

    def take(self) -> bool:
        """Whether another line may be written."""
        if self._left > 0:
            self._left -= 1
            return True
        self.suppressed += 1
        return False

    def say(self) -> int:
        """How many have been suppressed since this was last asked."""
        unsaid, self._said = self.suppressed - self._said, self.suppressed
        return unsaid
