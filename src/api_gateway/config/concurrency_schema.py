"""Concurrency in the configuration: how many requests at once, and how many may wait.

    concurrency: {limit: 100, queue: 20}
    concurrency: {limit: adaptive}                                   # finds the limit out, by gradient2
    concurrency: {limit: adaptive, algorithm: aimd, too_slow: 250ms, max_limit: 500, queue: 20}
    concurrency: 100                                                 # {limit: 100}

Rule: `limit` is a number, or `adaptive`; what only an adaptive limit has stands with no other.

What it does not do: make the limit. `build.py` has a factory.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.fields import Count, Duration, choice
from api_gateway.config.model import Model
from api_gateway.config.priority_schema import PriorityConfig
from api_gateway.config.problems import Refusal, shown
from api_gateway.resilience.adaptive_limit import FIRST, LEAST, MOST

ADAPTIVE: Literal["adaptive"] = "adaptive"
MOST_IN_ALL = 1_000_000

AlgorithmName: TypeAlias = Literal["gradient2", "vegas", "aimd"]


def _limit(value: object) -> int | str:
    if value == ADAPTIVE:
        return ADAPTIVE
    return _number(value, 1, f"write a whole number from 1 to {MOST_IN_ALL}, or {ADAPTIVE}")


def _queue(value: object) -> int:
    return _number(value, 0, f"write a whole number from 0 to {MOST_IN_ALL}")


def _number(value: object, low: int, remedy: str) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else value
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= MOST_IN_ALL:
        raise Refusal(f"expected a number of requests, not {shown(value)}", remedy)
    return number


Limit: TypeAlias = Annotated[
    int | Literal["adaptive"], BeforeValidator(_limit), WithJsonSchema({"type": ["integer", "string"]})
]
QueueLength: TypeAlias = Annotated[int, BeforeValidator(_queue), WithJsonSchema({"type": ["integer", "string"]})]

_ADAPTIVE_ONLY = ("algorithm", "initial_limit", "min_limit", "max_limit", "too_slow")


class ConcurrencyConfig(Model):
    """A limit on requests in flight."""

    limit: Limit
    """How many at once; or `adaptive`."""
    queue: QueueLength = 0
    """How many may wait for a place; with none, whoever finds no place is refused at once."""
    max_wait: Duration | None = None
    """Nobody waits longer, however much time they have."""
    priority: PriorityConfig | None = None
    """Who waits before whom, and who is refused first."""
    algorithm: Annotated[AlgorithmName, BeforeValidator(choice("algorithm", "gradient2", "vegas", "aimd"))] = (
        "gradient2"
    )
    """How an adaptive limit is found out."""
    initial_limit: Count = FIRST
    """What an adaptive limit begins with."""
    min_limit: Count = LEAST
    """An adaptive limit is never lower."""
    max_limit: Count = MOST
    """An adaptive limit is never higher."""
    too_slow: Duration | None = None
    """For `aimd`, which has no other measure: a call that takes longer means too much load."""

    @model_validator(mode="before")
    @classmethod
    def _from_limit(cls, data: object) -> object:
        return {"limit": data} if isinstance(data, str | int) and not isinstance(data, bool) else data

    @model_validator(mode="after")
    def _no_contradiction(self) -> ConcurrencyConfig:
        self._check_queue()
        if self.limit != ADAPTIVE:
            for name in _ADAPTIVE_ONLY:
                if name in self.model_fields_set:
                    raise Refusal(f"{name} is for an adaptive limit", f"write limit: {ADAPTIVE}, or leave it out")
        elif not self.min_limit <= self.initial_limit <= self.max_limit:
            found = f"{self.min_limit}, {self.initial_limit}, {self.max_limit}"
            raise Refusal(f"not min_limit <= initial_limit <= max_limit: {found}", "put them in this order")
        elif self.algorithm == "aimd" and self.too_slow is None:
            raise Refusal("aimd does not know what is slow", "add too_slow, such as 250ms, or choose another algorithm")
        elif self.algorithm != "aimd" and self.too_slow is not None:
            raise Refusal(f"{self.algorithm} finds out what is slow", "leave too_slow out, or write algorithm: aimd")
        return self

    def _check_queue(self) -> None:
        if self.queue:
            return
        if self.max_wait is not None:
            raise Refusal("max_wait has no meaning where nobody may wait", "add queue, such as 20, or leave it out")
        if self.priority is not None:
            raise Refusal("without a queue all classes are refused alike", "add queue, such as 20, or leave it out")

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """What was written, and no default beside it: an `algorithm` contradicts a limit that is a number."""
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": ["integer", "string"]}, handler.resolve_ref_schema(handler(core_schema))]}
