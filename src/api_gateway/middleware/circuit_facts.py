"""Circuit facts: where a circuit stands, the outcomes by which it will be judged, and what would open it.

Rule: told as of now, so what time alone brings (the end of the open time, a probe that is lost) has happened.

What it does not do: count what the circuit refused; metrics do (`metrics/circuits.py`).
"""

from __future__ import annotations

from api_gateway.core.xray.facts import Fact, Facts, duration
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.circuit_states import CircuitState
from api_gateway.resilience.outcome_window import Outcomes
from api_gateway.resilience.share import Share


def circuit_facts(breaker: CircuitBreaker, now: int) -> Facts:
    """Of a breaker at `now`, monotonic nanoseconds."""
    state = breaker.state(now)
    facts: dict[str, Fact] = {"state": state.value}
    if state is CircuitState.OPEN:
        return {**facts, "half open in": duration(breaker.retry_after(now))}
    by_place = breaker.evidence(now)
    facts.update(_counts(Outcomes(*(sum(counts) for counts in zip((0, 0, 0), *by_place.values(), strict=True)))))
    if by_place:
        facts["by endpoint"] = {place or "not known": _counts(outcomes) for place, outcomes in by_place.items()}
    if state is CircuitState.HALF_OPEN:
        facts["probes"] = breaker.half_open_calls
        facts["in flight"] = breaker.probes_out(now)
    else:
        facts["calls needed"] = breaker.min_calls
    opens_at = f"{_percent(breaker.failure_rate)} failed"
    if breaker.slow_after is not None:
        opens_at += f", or {_percent(breaker.slow_rate)} of {duration(breaker.slow_after)} or longer"
    return {**facts, "opens at": opens_at}


def _counts(outcomes: Outcomes) -> Facts:
    return {"calls": outcomes.calls, "failed": outcomes.failures, "slow": outcomes.slow}


def _percent(share: Share) -> str:
    return f"{100 * share.numerator / share.denominator:g} %"
