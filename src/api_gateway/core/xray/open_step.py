"""Open step: a step while it lasts, between the watch in front of a layer and the watches behind it.

Rule: what changes while control is with a layer is that layer's doing. Control comes at `begin`, leaves where the
layer passes on (`enter`), is back when an inner step has ended, and is gone at `end`.

What it does not do: measure its own work; that time is taken out (`Stopwatch`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from api_gateway.core.clock import Clock
from api_gateway.core.errors import GatewayError
from api_gateway.core.headers import HeaderPairs
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.changes import changed, facts_of, request_changes, response_changes
from api_gateway.core.xray.facts import Explainable, Fact, Facts
from api_gateway.core.xray.step import Step
from api_gateway.core.xray.subject import headline, name_in_words


class Stopwatch:
    """Nanoseconds since it was made, less those that were spent on watching."""

    __slots__ = ("_clock", "_not_counted")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_counted = clock.monotonic()

    def elapsed(self) -> int:
        """So far."""
        return self._clock.monotonic() - self._not_counted

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time in here does not count."""
        since = self._clock.monotonic()
        try:
            yield
        finally:
            self._not_counted += self._clock.monotonic() - since


class OpenStep:
    """What one subject does with one call."""

    __slots__ = ("_after", "_before", "_began", "_came_back", "_context", "_duration", "_error_inside",
                 "_found", "_known", "_outcome", "_passed_back", "_passed_on", "_request", "_response",
                 "_status", "_stopwatch", "_subject", "closed", "inner")  # fmt: skip

    closed: bool
    """Whether nothing that happens now belongs to it any more."""
    inner: list[OpenStep]

    def __init__(self, subject: object, request: Request, context: RequestContext, stopwatch: Stopwatch) -> None:
        """`subject` is asked next; it may explain itself (`facts.py`)."""
        self._subject = subject
        self._request = request
        self._context = context
        self._stopwatch = stopwatch
        self._began = self._duration = 0
        self._outcome = "not over yet"
        self._passed_back = False
        self._status: int | None = None
        self._before: Facts = {}
        self._after: Facts = {}
        self._found: dict[str, Fact] = {}
        self._passed_on: Facts | None = None
        self._response: Facts = {}
        self._known: Facts = facts_of(context)
        self._came_back: tuple[int, HeaderPairs, Body] | None = None
        self._error_inside: BaseException | None = None
        self.closed = False
        self.inner = []

    async def begin(self) -> None:
        """Control comes to the subject."""
        with self._stopwatch.stopped():
            self._before = await self._state()
        self._began = self._stopwatch.elapsed()

    def enter(self, subject: object, request: Request, context: RequestContext) -> OpenStep:
        """The subject passes on, to another one."""
        with self._stopwatch.stopped():
            self._note()
            if self._passed_on is None:
                self._passed_on = request_changes(self._request, request, context.withheld)
            step = OpenStep(subject, request, context, self._stopwatch)
            self.inner.append(step)
            return step

    def came_back(self, response: Response | None, error: BaseException | None) -> None:
        """An inner step is over, with an answer or an error."""
        with self._stopwatch.stopped():
            self._known = facts_of(self._context)
            self._error_inside = error
            self._came_back = None if response is None else (response.status, response.headers.pairs, response.body)

    async def end(self, response: Response | None, error: BaseException | None) -> None:
        """The subject is done, with an answer or an error."""
        self._duration = self._stopwatch.elapsed() - self._began
        with self._stopwatch.stopped():
            self._note()
            if not isinstance(error, asyncio.CancelledError):  # then there is no time to ask
                self._after = changed(self._before, await self._state())
            self._status = response.status if response is not None else None
            if response is not None and self._came_back is not None:
                self._response = response_changes(self._came_back, response)
            self._passed_back = self._only_passed_back(response, error)
            self._outcome = self._in_words(response, error)
        self.closed = True

    def as_step(self, origin: int | None = None) -> Step:
        """What is known of it; it began at `origin` unless that is given."""
        origin = self._began if origin is None else origin
        return Step(
            name=name_in_words(self._subject),
            about=headline(self._subject),
            began=self._began - origin,
            duration=self._duration,
            outcome=self._outcome,
            before=self._before,
            after=self._after,
            found=self._found,
            request=self._passed_on or {},
            response=self._response,
            passed_back=self._passed_back,
            inner=tuple(step.as_step(origin) for step in self.inner),
            status=self._status,
        )

    async def _state(self) -> Facts:
        subject = self._subject
        return await subject.state_for(self._request, self._context) if isinstance(subject, Explainable) else {}

    def _note(self) -> None:
        """Put down what has been found out since control came."""
        known = facts_of(self._context)
        self._found.update(changed(self._known, known))
        self._known = known

    def _only_passed_back(self, response: Response | None, error: BaseException | None) -> bool:
        if not self.inner:
            return False
        if response is None or self._error_inside is not None:
            return error is not None and error is self._error_inside
        return self._came_back is None or self._came_back[0] == response.status

    def _in_words(self, response: Response | None, error: BaseException | None) -> str:
        calls = len(self.inner)
        passed = "passed on" if calls == 1 else f"passed on {calls} times"
        if response is None:
            what = _named(error)
            if self._passed_back:
                return f"{passed}, {type(error).__name__} came back"
            return f"{passed}, raised {what}" if calls else f"raised {what}"
        if not calls:
            return f"answered {response.status}"
        if self._passed_back:
            return f"{passed}, {response.status} came back"
        before = self._came_back[0] if self._came_back is not None else type(self._error_inside).__name__
        return f"{passed}, made {response.status} of {before}"


def _named(error: BaseException | None) -> str:
    if isinstance(error, GatewayError):
        return f"{type(error).__name__} ({error.status}): {error.detail}"
    return type(error).__name__ if not str(error) else f"{type(error).__name__}: {error}"
