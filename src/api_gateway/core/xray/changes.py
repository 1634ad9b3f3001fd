"""Changes: what a layer found out, and what it made of a request or a response.

Rule: nobody is asked. Requests are values, so a layer's doing is the difference between what it was given and what it
passed on; the context has a named slot for each fact, so what a layer found out is the slots that differ.

What it does not do: show the values of headers that carry credentials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from api_gateway.core.client_certificate import ClientCertificate
from api_gateway.core.headers import HIDDEN, HeaderPairs, shown_value
from api_gateway.core.identity import Identity
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Fact, Facts, duration

_SLOTS = [name for name in RequestContext.__slots__ if name not in ("started", "deadline")]


def facts_of(context: RequestContext) -> Facts:
    """Everything that is known about a request; the deadline as what was left of it at the start."""
    facts = {name: _fact(name, getattr(context, name)) for name in _SLOTS}
    facts["deadline"] = None if context.deadline is None else duration(context.deadline - context.started)
    return facts


def changed(before: Facts, after: Facts) -> Facts:
    """The facts of `after` that `before` has not, or differently."""
    return {name: fact for name, fact in after.items() if name not in before or before[name] != fact}


def request_changes(before: Request, after: Request, withheld: Collection[bytes]) -> Facts:
    """What was made of a request; values of headers named in `withheld` are credentials."""
    if before is after:
        return {}
    changes: dict[str, Fact] = {}
    for name, was, now in (("method", before.method, after.method), ("target", before.target, after.target)):
        if was != now:
            changes[name] = f"{was} -> {now}"
    if before.body is not after.body:
        changes["body"] = "another one"
    return {**changes, **header_changes(before.headers.pairs, after.headers.pairs, withheld)}


def response_changes(before: tuple[int, HeaderPairs, Body], after: Response) -> Facts:
    """What was made of a response, given its status, headers and body of before."""
    status, pairs, body = before
    changes: dict[str, Fact] = {}
    if status != after.status:
        changes["status"] = f"{status} -> {after.status}"
    if isinstance(body, bytes) and isinstance(after.body, bytes) and body != after.body:
        changes["body"] = f"{len(body)} bytes -> {len(after.body)} bytes"
    return {**changes, **header_changes(pairs, after.headers.pairs)}


def header_changes(before: HeaderPairs, after: HeaderPairs, withheld: Collection[bytes] = ()) -> Facts:
    """Which header fields came, and which went."""
    if before is after:
        return {}
    gone, come = Counter(before), Counter(after)
    gone.subtract(after)
    come.subtract(before)
    removed = sorted(_line(pair, withheld) for pair, count in gone.items() if count > 0)
    added = sorted(_line(pair, withheld) for pair, count in come.items() if count > 0)
    changes: dict[str, Fact] = {}
    if removed:
        changes["headers removed"] = removed
    if added:
        changes["headers added"] = added
    return changes


def _line(pair: tuple[bytes, bytes], withheld: Collection[bytes]) -> str:
    name, value = (part.decode("latin-1") for part in pair)
    return f"{name}: {HIDDEN if pair[0] in withheld else shown_value(name, value)}"


def _fact(name: str, value: object) -> Fact:
    if isinstance(value, str | int) or value is None:
        return duration(value) if name == "upstream_duration" and isinstance(value, int) else value
    if isinstance(value, Identity):
        return f"{value.subject} by {value.method}"
    if isinstance(value, ClientCertificate):
        return value.subject
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    assert isinstance(value, tuple | frozenset), f"the slot {name} has no form for people"
    return sorted(item.decode() if isinstance(item, bytes) else str(item) for item in value)
