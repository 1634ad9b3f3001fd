"""Rate limits in the configuration: how often, by whom, and where the counts are kept.

    - rate_limit: {algorithm: token_bucket, rate: 100/s, burst: 200, key: client_ip}
    - rate_limit:
        store: redis://limits.internal:6379/0
        limits:                                  # all of them, or none is charged
          - {name: burst, algorithm: gcra, rate: 10/s, key: [client_ip, route]}
          - {name: daily, algorithm: fixed_window, rate: 10000/d, key: identity, tiers: {gold: 100000/d}}

Rule: an entry is one limit, or a list of them under `limits`; what concerns the entry as a whole (store,
headers, trial) stands beside. What needs two keys to be judged is judged in `rate_limit_checks.py`.

A policy's name appears in headers, metrics and the shared store. Given names have no colon and no slash;
names made of key and rate (`client_ip:100/s`) have both, and a tier's is the policy's with `:gold` behind
it, so none can be taken for another.

What it does not do: make limiters or stores (`build_rate_limits.py`).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api_gateway.config.fields import Count, Duration, Flag, RateText, choice, text
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.config.request_key import HEADER, request_key
from api_gateway.config.units import parse_rate
from api_gateway.rate_limiting.limit_store import AlgorithmName, Limit

CONCURRENCY = "concurrency"
MEMORY = "memory"
SHARED_STORE_OPTIONS = (
    "store",
    "on_store_error",
    "gateways",
    "store_timeout",
    "store_prefix",
    "lease",
    "lease_time",
)
"""What makes two stores different; entries that agree on all of them share one."""
SIMPLE_KEYS = ("client_ip", "identity", "route")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_STORE_SCHEMES = ("redis", "rediss", "unix")
_KEY_REMEDY = "write client_ip, identity, route, header:NAME, or a list of them"


def _keys(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not value:
        raise Refusal("expected a key, or several", _KEY_REMEDY)
    return value


def _name(value: object) -> str:
    name = text(value)
    if not _NAME.fullmatch(name):
        raise Refusal(f"{name!r} is not a name for this", "use up to 64 letters, digits, '.', '_' and '-'")
    return name


def _store(value: object) -> str:
    url = text(value)
    if url == MEMORY:
        return url
    remedy = "write memory, or redis://host:port/database"
    try:
        parts = urlsplit(url)
        reachable = bool(parts.path if parts.scheme == "unix" else parts.hostname and (parts.port or 1))
    except ValueError:
        raise Refusal("the address of the store is not a URL", remedy) from None  # not shown: it may hold a password
    if parts.scheme not in _STORE_SCHEMES or not reachable:
        raise Refusal("the store is neither memory nor a redis:// URL", remedy)
    return url


def _burst(value: object) -> int:
    from_text = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(from_text, int) or isinstance(from_text, bool) or not 0 <= from_text <= 1_000_000:
        raise Refusal("expected a burst", "write a whole number from 0 to 1000000")
    return from_text


Name: TypeAlias = Annotated[str, BeforeValidator(_name)]
Key: TypeAlias = Annotated[str, BeforeValidator(request_key(*SIMPLE_KEYS))]
Keys: TypeAlias = Annotated[
    tuple[Key, ...],
    BeforeValidator(_keys),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Burst: TypeAlias = Annotated[int, BeforeValidator(_burst), WithJsonSchema({"type": ["integer", "string"]})]
Store: TypeAlias = Annotated[str, BeforeValidator(_store), Field(repr=False)]  # there may be a password in it


class Numbers(Model):
    """How often: a rate, or for `concurrency` a limit; and a burst where the algorithm has one."""

    rate: RateText | None = None
    limit: Count | None = None
    """How many at once; for `concurrency`."""
    burst: Burst | None = None
    """How many at once, for buckets; how many may wait, for `leaky_bucket_queue`. As the rate's count unless given."""

    def limit_of(self, algorithm: AlgorithmName, name: str) -> Limit:
        """These numbers under a name; they have been checked to fit the algorithm."""
        if algorithm == CONCURRENCY:
            assert self.limit is not None, "checked"
            return Limit(name, algorithm, self.limit)
        rate = parse_rate(self.rate)
        return Limit(name, algorithm, rate.amount, rate.period, self.burst)

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class TierNumbers(Numbers):
    """The numbers of one tier: `1000/s`, `{rate: 1000/s, burst: 50}`, or a count for `concurrency`."""

    @model_validator(mode="before")
    @classmethod
    def _from_one(cls, data: object) -> object:
        if isinstance(data, str) and not data.isdigit():
            return {"rate": data}
        return {"limit": data} if isinstance(data, str | int) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": ["string", "integer"]}, handler.resolve_ref_schema(handler(core_schema))]}


class LimitOptions(Numbers):
    """One limit."""

    name: Name | None = None
    """In headers and metrics; made of key and rate unless given."""
    algorithm: Annotated[AlgorithmName, BeforeValidator(choice("algorithm", *get_args(AlgorithmName)))] = "token_bucket"
    key: Keys = ("client_ip",)
    """Whose requests count together; a list is the combination of all."""
    cost: Count = 1
    """What one request counts for."""
    tiers: dict[Name, TierNumbers] = Field(default_factory=dict)
    """Other numbers for callers whose proven identity has this tier."""

    @property
    def made_name(self) -> str:
        """The name made of key and numbers."""
        key = "+".join(part.replace(HEADER, "").lower() if part.startswith(HEADER) else part for part in self.key)
        return f"{key}:{f'{self.limit}/concurrent' if self.algorithm == CONCURRENCY else self.rate}"


class RateLimitOptions(LimitOptions):
    """One entry of a middleware list: a limit, or several under `limits`."""

    limits: tuple[LimitOptions, ...] = ()
    """Asked together: all are charged, or none."""
    store: Store = MEMORY
    """Where counts are kept: in this process, or in a Redis that all gateways share."""
    on_store_error: Annotated[
        Literal["admit", "refuse", "local"], BeforeValidator(choice("on_store_error", "admit", "refuse", "local"))
    ] = "local"
    """While the shared store is out of reach: admit all, refuse all, or count in this process."""
    gateways: Count = 1
    """How many share the store; a local count is held to as small a part of each limit."""
    store_timeout: Duration = 0.25
    """Seconds after which the shared store is taken to be out of reach."""
    store_prefix: Name = "api-gateway"
    """What the keys in the shared store begin with; gateways with the same one share their counts."""
    lease: Count | None = None
    """How many requests of a key are taken from the shared store at once and spent here; unless given, each asks."""
    lease_time: Duration = 1.0
    """Seconds after which what was taken and not spent is worth nothing."""
    dry_run: Flag = False
    """Count and log what would be refused, and admit it."""
    legacy_headers: Flag = False
    """Send X-RateLimit-Limit, -Remaining and -Reset as well."""

    @property
    def all_limits(self) -> tuple[LimitOptions, ...]:
        """The limits, however they were written."""
        return self.limits or (self,)
