"""What to do about a service that fails, or is slow: each mechanism by the name the field gives it.

Pure, and of the standard library only: no clock, no lock, no I/O. `now` is monotonic integer nanoseconds, and
so are all durations. Each object serves one event loop.

    breaker = CircuitBreaker(CountWindow(20), min_calls=10, failure_rate=0.5, open_for=30 * SECOND, half_open_calls=3)
    permit = breaker.acquire(now=clock.monotonic())

Reading order: `outcome_window.py` (how the latest calls went), `circuit_states.py` (the table),
`circuit_breaker.py`; `backoff.py`, `retry_budget.py`, `hedging.py` (more calls, but not too many);
`adaptive_throttle.py` (fewer, by what is accepted); `priority.py`, `admission_queue.py`, `expected_wait.py` (who
waits); `adaptive_limit.py` (the idea), `aimd.py`, `vegas.py`, `gradient2.py`; then `sliding_sums.py` and `share.py`
for what they share.
"""

from api_gateway.resilience.adaptive_limit import AdaptiveLimit
from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle
from api_gateway.resilience.admission_queue import AdmissionQueue
from api_gateway.resilience.aimd import AIMDLimit
from api_gateway.resilience.backoff import JITTERS, Backoff
from api_gateway.resilience.circuit_breaker import CircuitBreaker, Permit
from api_gateway.resilience.circuit_states import (
    TRANSITIONS,
    CircuitEvent,
    CircuitState,
    Transition,
    circuit_diagram,
)
from api_gateway.resilience.expected_wait import ExpectedWait
from api_gateway.resilience.gradient2 import Gradient2Limit
from api_gateway.resilience.hedging import Hedging
from api_gateway.resilience.outcome_window import CountWindow, Outcomes, OutcomeWindow, TimeWindow
from api_gateway.resilience.priority import Priority
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.resilience.vegas import VegasLimit

__all__ = [
    "JITTERS",
    "TRANSITIONS",
    "AIMDLimit",
    "AdaptiveLimit",
    "AdaptiveThrottle",
    "AdmissionQueue",
    "Backoff",
    "CircuitBreaker",
    "CircuitEvent",
    "CircuitState",
    "CountWindow",
    "ExpectedWait",
    "Gradient2Limit",
    "Hedging",
    "OutcomeWindow",
    "Outcomes",
    "Permit",
    "Priority",
    "RetryBudget",
    "TimeWindow",
    "Transition",
    "VegasLimit",
    "circuit_diagram",
]
