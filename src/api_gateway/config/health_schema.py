"""Health in the configuration: how endpoints are checked, when they are ejected, how they come back.

    health_check: {path: /health, interval: 5s, timeout: 1s, unhealthy_after: 2, healthy_after: 2}
    outlier_detection: {consecutive_errors: 5, ejection_time: 30s, max_ejection: 0.1}
    slow_start: 30s                       # or {window: 30s, aggression: 2, minimum: 0.05}
    panic_threshold: 0.5                  # below this share of healthy endpoints all are used; 0 for never

Rule: each of them works alone, and none is on unless it is written, but for panic, which has nothing to do then.

What it does not do: check, eject or choose; `options` makes the value that `backend/` takes.
"""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.backend.health_check import HealthCheck
from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.backend.slow_start import SlowStart
from api_gateway.config.fields import Count, Duration, Flag, text
from api_gateway.config.http_fields import HostHeader
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.config.share import Share, number
from api_gateway.config.status_ranges import status_ranges, statuses
from api_gateway.routing.route import PRESERVE

_TIMEOUT = 1.0  # seconds
_MAX_EJECTION_TIME = 300.0  # seconds
_PATH_REMEDY = "write a path such as /health, without spaces; it may have a query"


def _aggression(value: object) -> float:
    remedy = "write a number from 0.1 to 10; 1 is a straight line"
    aggression = number(value, "a number", remedy)
    if not 0.1 <= aggression <= 10:
        raise Refusal(f"aggression {aggression:g} is out of range", remedy)
    return aggression


def _check_path(value: object) -> str:
    path = text(value)
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or set(path) & set(" #"):
        raise Refusal(f"{path!r} is not a path to check", _PATH_REMEDY)
    return path


def _check_host(value: object) -> object:
    if value == PRESERVE:
        raise Refusal("a check has no client whose Host it could preserve", "write a name, or leave it out")
    return value


Aggression: TypeAlias = Annotated[
    float, BeforeValidator(_aggression), WithJsonSchema({"type": ["number", "string"], "minimum": 0.1, "maximum": 10})
]
CheckPath: TypeAlias = Annotated[str, BeforeValidator(_check_path)]
Statuses: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(status_ranges(100)),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["integer", "string"]},
                {"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 1},
            ]
        }
    ),
]


class HealthCheckConfig(Model):
    """How endpoints are checked; see `backend.health_check.HealthCheck`."""

    path: CheckPath
    """Asked with GET, behind the endpoint's base path."""
    interval: Duration = 5.0
    """From one check of an endpoint to the next."""
    timeout: Duration | None = None
    """For a whole check, no longer than `interval`; 1 s, or the interval if that is shorter, unless given."""
    unhealthy_after: Count = 2
    """Failures in a row."""
    healthy_after: Count = 2
    """Successes in a row."""
    expected_status: Statuses = ("200-299",)
    """Statuses of a passed check."""
    host: Annotated[HostHeader, BeforeValidator(_check_host)] | None = None
    """The `Host` to send; the endpoint's own unless given."""

    @model_validator(mode="after")
    def _fits_into_the_interval(self) -> Self:
        if self.timeout is not None and self.timeout > self.interval:
            cause = f"a check that may take {self.timeout:g} s does not fit into an interval of {self.interval:g} s"
            raise Refusal(cause, "shorten the timeout, or lengthen the interval")
        return self

    def options(self) -> HealthCheck:
        """For `BackendService`."""
        return HealthCheck(
            self.path,
            self.interval,
            self.timeout or min(_TIMEOUT, self.interval),
            self.unhealthy_after,
            self.healthy_after,
            statuses(self.expected_status),
            self.host or "",
        )


class OutlierDetectionConfig(Model):
    """When answers eject an endpoint; see `backend.outlier_detection.OutlierDetection`."""

    consecutive_errors: Count = 5
    """Errors in a row."""
    ejection_time: Duration = 30.0
    """Times the number of ejections."""
    max_ejection_time: Duration | None = None
    """No ejection lasts longer; 5m, or `ejection_time` if that is longer, unless given."""
    max_ejection: Share = 0.1
    """Share of the endpoints that may be ejected at a time; one may always, the last one never."""
    interval: Duration = 10.0
    """Time in use that takes back one ejection; the time over which success rates are taken."""
    success_rate: Flag = False
    """Eject also who has far fewer successes than the others."""

    @model_validator(mode="after")
    def _can_grow(self) -> Self:
        if self.max_ejection_time is not None and self.max_ejection_time < self.ejection_time:
            cause = f"the longest ejection, {self.max_ejection_time:g} s, is shorter than the first"
            raise Refusal(f"{cause}, {self.ejection_time:g} s", "raise max_ejection_time, or lower ejection_time")
        return self

    def options(self) -> OutlierDetection:
        """For `BackendService`."""
        return OutlierDetection(
            self.consecutive_errors,
            self.ejection_time,
            self.max_ejection_time or max(_MAX_EJECTION_TIME, self.ejection_time),
            self.max_ejection,
            self.interval,
            self.success_rate,
        )


class SlowStartConfig(Model):
    """How new and returning endpoints get their share: `30s`, or with its curve; see `backend.slow_start`."""

    window: Duration
    """From the first moment to the whole share."""
    aggression: Aggression = 1.0
    """1 is a straight line; above it the share grows faster at first."""
    minimum: Share = 0.1
    """The share at the first moment."""

    @model_validator(mode="before")
    @classmethod
    def _from_window(cls, data: object) -> object:
        return {"window": data} if isinstance(data, str | int | float) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": ["string", "number"]}, handler.resolve_ref_schema(handler(core_schema))]}

    def options(self) -> SlowStart:
        """For `BackendService`."""
        return SlowStart(self.window, self.aggression, self.minimum)
