"""Retries in the configuration: how often, of what, and how many in all.

    retry: {attempts: 3, on: [connect_error, 502, 503, 504], budget: 0.2, backoff: 25ms}
    retry: {}                                    # the same

Rule: `attempts` counts all tries, so 3 means two retries at most, and 1 none. What is safe to repeat is not a
choice: see `middleware/retry.py`.

What it does not do: bound a try (`timeout.request`) or the whole (`deadline`).
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from api_gateway.config.failure_fields import failures, refuse_yaml_true
from api_gateway.config.fields import Count, Duration
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.config.share import Share
from api_gateway.config.units import format_duration
from api_gateway.middleware.failures import SERVICE_FAILURES
from api_gateway.middleware.retry import DEFAULT_FAILURES

MOST_ATTEMPTS = 10
"""More is no policy but a defect: when all fails, every layer multiplies by it."""

_GROWTH = 10  # from the first wait to the longest, as Envoy has it
_STATUSES = frozenset({408, 425, 429, *range(500, 600)})

RetriedFailures: TypeAlias = Annotated[
    tuple[str | int, ...],
    BeforeValidator(failures(SERVICE_FAILURES, _STATUSES, "to repeat the request would not change the answer")),
    WithJsonSchema({"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1}),
]


class RetryConfig(Model):
    """How failed requests to one service are repeated."""

    attempts: Count = 3
    """Tries in all, the first included."""
    on: RetriedFailures = DEFAULT_FAILURES
    """What is repeated: connect_error, reset, timeout, protocol_error, and statuses."""
    budget: Share = 0.2
    """Retries are at most this share of the requests to the service."""
    backoff: Duration = 0.025
    """Seconds below which the first wait is; each further one may be twice as long."""
    max_backoff: Duration | None = None
    """Seconds that no wait exceeds; ten times the first unless given."""
    max_retry_after: Duration = 1.0
    """Seconds for which a Retry-After is obeyed; an answer that asks for more is passed on instead."""

    @property
    def longest_backoff(self) -> float:
        """`max_backoff`, given or not."""
        return _GROWTH * self.backoff if self.max_backoff is None else self.max_backoff

    @model_validator(mode="before")
    @classmethod
    def _read_by_another_loader(cls, data: object) -> object:
        return refuse_yaml_true(data)

    @model_validator(mode="after")
    def _consistent(self) -> RetryConfig:
        if self.attempts > MOST_ATTEMPTS:
            cause = f"{self.attempts} attempts would keep a service down that is in trouble"
            raise Refusal(cause, f"write at most {MOST_ATTEMPTS}")
        if self.max_backoff is not None and self.max_backoff < self.backoff:
            cause = f"max_backoff {format_duration(self.max_backoff)} is shorter than the first wait, backoff "
            raise Refusal(cause + format_duration(self.backoff), "make max_backoff the longer one")
        return self
