"""Aggregate run: the parts of one aggregate, asked for one client.

Rule: whoever starts, waits: when `to_the_end` returns or raises, no task of it is left, whatever has happened. A
part starts when the last of what it needs has come. What a part gives is written down by its name, so the order in
which parts come makes no difference to the answer.

What it does not do: write the answer (`aggregate_answer.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl

from api_gateway.backend.aggregate_calls import Answer, Call, Calls, Wanted, ended
from api_gateway.backend.aggregate_failure import (
    Failure,
    PartFailed,
    failed_with,
    late,
    no_list,
    skipped,
    too_large,
    unfit,
)
from api_gateway.backend.aggregate_plan import Part, Plan
from api_gateway.backend.aggregate_template import UnfitValue
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.errors import InternalError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext


class Counts(Protocol):
    """Where it is counted what becomes of a part."""

    answered: int
    failed: int
    duration: int


class Run:
    """All parts, once."""

    def __init__(
        self,
        plan: Plan,
        handlers: Mapping[str, Handler],
        request: Request,
        context: RequestContext,
        clock: Clock,
        counts: Mapping[str, Counts],
        *,
        max_parallel: int,
    ) -> None:
        """Nothing is asked yet; `handlers` and `counts` are by part, `request` has the headers for the parts."""
        self.values: dict[str, object] = {}
        """By part; null for one that failed."""
        self.failures: dict[str, Failure] = {}
        """By part."""
        self.headers: list[Headers] = []
        """Of all answers that were used."""
        self.broken = False
        """Whether a part that must be there has failed."""
        self._plan = plan
        self._handlers = handlers
        self._context = context
        self._clock = clock
        self._counts = counts
        self._given = _given(plan, request, context)
        largest = max(part.max_body for part in plan.parts)
        self._calls = Calls(request.headers, context, clock, max_parallel=max_parallel, max_body=largest)
        self._waiting = list(plan.parts)
        self._tasks: dict[asyncio.Task[None], Part] = {}

    async def to_the_end(self) -> None:
        """Ask until all parts are there, or one that must be there has failed."""
        try:
            self._start()
            while self._tasks and not self.broken:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in self._tasks if task.done()]:
                    del self._tasks[task]
                    task.result()  # a defect is the caller's to see
                if not self.broken:
                    self._start()
        finally:
            for task in self._tasks:
                task.cancel()
            try:
                await ended(self._tasks)
            finally:
                await self._calls.close()

    def _start(self) -> None:
        """Start every part that has what it needs; pass over those that will never have it."""
        still_waiting = []
        for part in self._waiting:
            needs = self._plan.needs[part.name]
            if not needs <= self.values.keys():
                still_waiting.append(part)
                continue
            missing = sorted(name for name in needs if name in self.failures and not self.failures[name].items)
            if missing:
                self._fail(part, skipped(missing[0]))
            else:
                self._tasks[asyncio.create_task(self._part(part), name=f"part {part.name}")] = part
        changed = len(still_waiting) < len(self._waiting)
        self._waiting = still_waiting
        if changed and still_waiting:
            self._start()  # one that was passed over may have been what another waited for

    async def _part(self, part: Part) -> None:
        counts, started = self._counts[part.name], self._clock.monotonic()
        try:
            async with asyncio.timeout(part.timeout):
                await self._asked(part, started)
        except PartFailed as error:
            self._fail(part, error.failure)
        except TimeoutError:
            assert part.timeout is not None, "or nothing could have been late"
            self._fail(part, late(part.timeout))
        counts.duration += self._clock.monotonic() - started
        failed = part.name in self.failures
        counts.failed += failed
        counts.answered += not failed

    async def _asked(self, part: Part, started: int) -> None:
        deadline = self._context.deadline
        if part.timeout is not None:
            own = started + round(part.timeout * NANOSECONDS)
            deadline = own if deadline is None else min(own, deadline)
        wanted, unfits = self._wanted(part)
        calls = await self._calls.ask([each for each in wanted if each], deadline, all_needed=not part.optional)
        answers = iter(calls)
        outcomes = [_outcome(next(answers)) if each else unfits[index] for index, each in enumerate(wanted)]
        whole = part.for_each is None or not part.optional
        failures = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Failure)}
        if failures and (whole or len(failures) == len(outcomes)):
            raise PartFailed(next(iter(failures.values())))
        good = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        if sum({id(answer): answer.size for answer in good}.values()) > part.max_body:
            raise PartFailed(too_large(f"its answers have more than {part.max_body} bytes together"))
        self.headers += [answer.headers for answer in good]
        values = [outcome.value if isinstance(outcome, Answer) else None for outcome in outcomes]
        if failures:
            self.failures[part.name] = next(iter(failures.values())).at(tuple(failures))
        self.values[part.name] = values if part.for_each is not None else values[0]

    def _wanted(self, part: Part) -> tuple[list[Wanted | None], dict[int, Failure]]:
        """The requests of a part, None where an element gives none; and why."""
        values = {**self._given, **self.values}
        if part.for_each is None:
            return [self._one(part, values)], {}
        wanted: list[Wanted | None] = []
        unfits: dict[int, Failure] = {}
        for index, item in enumerate(self._items(part)):
            values["item"] = item
            try:
                wanted.append(self._one(part, values))
            except PartFailed as error:
                if not part.optional:
                    raise
                wanted.append(None)
                unfits[index] = error.failure
        return wanted, unfits

    def _one(self, part: Part, values: Mapping[str, object]) -> Wanted:
        try:
            path, query = part.path.fill(values)
        except UnfitValue as error:
            from_client = error.source in self._given
            raise PartFailed(unfit(error, from_client=from_client)) from None
        return Wanted(part.service, self._handlers[part.name], path, query)

    def _items(self, part: Part) -> list[object]:
        assert part.for_each is not None, "asked for only then"
        written = part.for_each.written
        try:
            found = part.for_each.find({name: self.values[name] for name in part.for_each.names})
        except (ValueError, RecursionError) as error:
            raise PartFailed(no_list(f"{written} cannot be evaluated: {error}")) from None
        if not isinstance(found, list):
            raise PartFailed(no_list(f"{written} is not a list"))
        if len(found) > part.max_items:
            raise PartFailed(no_list(f"{written} has {len(found)} elements; at most {part.max_items} are asked for"))
        return found

    def _fail(self, part: Part, failure: Failure) -> None:
        self.failures[part.name] = failure
        self.values[part.name] = None
        self.broken |= not part.optional


def _outcome(call: Call) -> Answer | Failure | None:
    """What a call gave; None if it has not ended."""
    if not call.task.done():
        return None
    if call.task.cancelled():  # by whoever was asked: nobody else does while it is waited for
        return failed_with(InternalError("the call was cancelled from inside"), call.context)
    error = call.task.exception()
    if error is None:
        return call.task.result()
    if isinstance(error, PartFailed):
        return error.failure
    raise error


def _given(plan: Plan, request: Request, context: RequestContext) -> dict[str, object]:
    """What templates can refer to before any part is there."""
    given: dict[str, object] = {name: context.path_parameters.get(name) for name in plan.parameters}
    given["header"] = {name: value for name in plan.headers if (value := request.headers.get(name)) is not None}
    query: dict[str, str] = {}
    if plan.reads_query:
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            query.setdefault(name, value)
    given["query"] = query
    identity = context.identity
    known = {} if identity is None else {"subject": identity.subject, "consumer": identity.consumer or None}
    given["identity"] = {**known, "tier": context.tier or None}
    return given
