"""All or nothing: one request under several limits at once.

"100 a minute for each client and 10 a second for each route" must charge both or none. Charging the
first before the second refuses would let a client that is over one limit burn the other.

Rule: ask each limit in turn; at the first refusal take back what the earlier ones charged. In one event
loop nothing comes in between, so nobody sees the half-charged state. The same key of the same limiter
may appear twice: the second claim sees the first.

Cost: one decision a limit, and an undo for each when refused. A log is copied, because what it gave must
be given back.

What it does not do: span processes. Over a shared store the same rule is one script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api_gateway.rate_limiting.keyed_rate_limiter import ReservingRateLimiter, Undo
from api_gateway.rate_limiting.rate_limiter import Decision


class Claim(NamedTuple):
    """What one limit is asked for."""

    limiter: ReservingRateLimiter
    key: str
    cost: int = 1


class Outcome(NamedTuple):
    """What all limits together say."""

    decision: Decision
    """The tightest: of the refusals the one that lasts longest; else of the admissions the one with the
    least remaining, and of those the one that resets last; its `wait` is the longest of all."""
    decisions: tuple[Decision, ...]
    """Of each claim, in order. Where the request is refused, nothing is charged, so the decision of a
    limit that would have admitted it says what is there without it."""


def acquire_all(claims: Sequence[Claim], now: int) -> Outcome:
    """Charge every claim, or none.

    Raises:
        ValueError: there is no claim, or a cost is negative; nothing is charged then either.
    """
    if not claims:
        raise ValueError("there must be at least one claim")
    decisions: list[Decision] = []
    undos: list[Undo] = []
    refused = False
    try:
        for limiter, key, cost in claims:
            decision, undo = limiter.reserve(key, now, cost)
            decisions.append(decision)
            undos.append(undo)
            refused = refused or not decision.allowed
    except BaseException:
        _undo(undos)
        raise
    if not refused:
        return Outcome(_least(decisions), tuple(decisions))
    _undo(undos)
    uncharged = tuple(
        limiter.acquire(key, now, 0) if decision.allowed else decision
        for (limiter, key, _), decision in zip(claims, decisions, strict=True)
    )
    return Outcome(tightest(uncharged), uncharged)


def _undo(undos: list[Undo]) -> None:
    for undo in reversed(undos):
        undo()


def tightest(decisions: Sequence[Decision]) -> Decision:
    """What they all say together; see `Outcome.decision`."""
    refusals = [decision for decision in decisions if not decision.allowed]
    if refusals:
        return max(refusals, key=lambda decision: (decision.retry_after is None, decision.retry_after or 0))
    return _least(decisions)


def _least(admissions: Sequence[Decision]) -> Decision:
    least, longest = admissions[0], admissions[0].wait
    for admission in admissions[1:]:
        if (admission.remaining, -admission.reset_after) < (least.remaining, -least.reset_after):
            least = admission
        longest = max(longest, admission.wait)
    return least if least.wait == longest else least._replace(wait=longest)
