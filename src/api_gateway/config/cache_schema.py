"""The cache in the configuration: what is kept, for whom, for how long, and where.

    - cache                                                # everything by default
    - cache: {max_size: 64MiB, store: memory}
    - cache:
        store: redis://cache.internal:6379/0
        per: identity                                      # every caller has answers of its own
        stale_while_revalidate: 30s
        stale_if_error: 1h
        warm: [https://shop.example/products]

Rule: what an option relaxes, the operator vouches for (`caching/cache_policy.py`). What makes sense only for a memory
store, or only for a shared one, is refused beside the other.

What it does not do: make stores or middleware (`build_cache.py`).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from api_gateway.caching.cache_policy import CachePolicy, Identified
from api_gateway.config.fields import Count, Duration, DurationOrZero, Flag, Size, Text, choice, text
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.config.rate_limit_schema import MEMORY, Name, Store
from api_gateway.middleware.cache.purge import Purge

_ONLY_SHARED = ("store_prefix", "store_timeout")
_MOST_WARM = 1000


def _factor(value: object) -> float:
    remedy = "write a number from 0 to 10"
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number <= 10:
        raise Refusal(f"expected a factor, not {shown(value)}", remedy)
    return number


def _fraction(value: object) -> float:
    number = _factor(value)
    if number > 1:
        raise Refusal(f"expected a fraction, not {shown(value)}", "write a number from 0 to 1")
    return number


def _warm_url(value: object) -> str:
    url = text(value)
    try:
        Purge("url", url)
    except ValueError:
        raise Refusal(
            f"{shown(url)} is no URL as a client would ask for it",
            "write it with scheme and host, which are part of what is cached: https://shop.example/products",
        ) from None
    return url


def _warm_list(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) > _MOST_WARM:
        raise Refusal("expected a list of URLs to warm", f"write up to {_MOST_WARM}: warm: [https://shop.example/]")
    return value


Factor: TypeAlias = Annotated[float, BeforeValidator(_factor), WithJsonSchema({"type": ["number", "string"]})]
Fraction: TypeAlias = Annotated[float, BeforeValidator(_fraction), WithJsonSchema({"type": ["number", "string"]})]
WarmUrl: TypeAlias = Annotated[str, BeforeValidator(_warm_url), WithJsonSchema({"type": "string", "format": "uri"})]


class CacheOptions(Model):
    """One cache."""

    max_size: Size = 64 * 2**20
    """Bytes of memory for all answers; of the memory store."""
    max_body: Size = 2**20
    """Bytes of the largest body that is kept; larger ones stream by."""
    store: Store = MEMORY
    """Where answers are kept: in this process, or in a Redis that all gateways share."""
    store_prefix: Name = "api-gateway"
    """What the keys in the shared store begin with; gateways with the same one share their answers."""
    store_timeout: Duration = 0.25
    """Seconds after which the shared store is taken to be out of reach."""
    namespace: Text | None = None
    """Part of every key: keeps caches apart that share a store."""
    per: Annotated[Literal["identity"], BeforeValidator(choice("per", "identity"))] | None = None
    """`identity`: each proven caller has answers of its own. Unless given, their requests are not cached."""
    shared: Flag = False
    """Proven callers share one set of answers: they do not depend on who asks."""
    store_set_cookie: Flag = False
    """Keep answers that set cookies, and the cookies with them: they are the same for everyone."""
    obey_requests: Flag = True
    """Follow Cache-Control and Pragma of requests; without, only no-store and only-if-cached are."""
    sort_query: Flag = False
    """Queries that differ only in the order of their parameters are the same."""
    heuristic_fraction: Fraction = 0.1
    """An answer that does not say for how long it is fresh is for this part of the time since it last changed."""
    heuristic_limit: DurationOrZero = 86_400.0
    """For so long at most; 0 for not at all."""
    stale_while_revalidate: DurationOrZero = 0.0
    """How long past its lifetime an answer is used while it is refreshed, if it does not say so itself."""
    stale_if_error: DurationOrZero = 0.0
    """How long past its lifetime an answer is used when the service fails, if it does not say so itself."""
    keep: DurationOrZero = 3600.0
    """How long past its lifetime an answer is kept, to be validated."""
    early_refresh: Factor = 1.0
    """How eagerly an answer is refreshed before its lifetime ends; 0 for never."""
    refreshes: Count = 64
    """How many refreshes run at once."""
    refresh_timeout: Duration = 30.0
    """How long one may take."""
    warm: Annotated[tuple[WarmUrl, ...], BeforeValidator(_warm_list)] = ()
    """URLs to ask for when the gateway has started."""

    @property
    def identified(self) -> Identified:
        """What becomes of requests whose caller is known."""
        if self.shared:
            return "share"
        return "separate" if self.per is not None else "bypass"

    def policy(self, chosen_by: tuple[str, ...] = ()) -> CachePolicy:
        """What the rules need to know of it, where these request headers choose the route."""
        return CachePolicy(
            chosen_by=chosen_by,
            namespace=self.namespace or "",
            identified=self.identified,
            store_set_cookie=self.store_set_cookie,
            obey_requests=self.obey_requests,
            sort_query=self.sort_query,
            heuristic_fraction=self.heuristic_fraction,
            heuristic_limit=self.heuristic_limit,
            stale_while_revalidate=self.stale_while_revalidate,
            stale_if_error=self.stale_if_error,
            keep=self.keep,
            early_refresh=self.early_refresh,
        )

    @property
    def max_entry_size(self) -> int:
        """Bytes of a key with its variants, for the memory store: there is room for a few of the largest."""
        return min(self.max_size, 4 * self.max_body)

    @model_validator(mode="after")
    def _consistent(self) -> CacheOptions:
        if self.shared and self.per is not None:
            raise Refusal(
                "answers are either shared or each caller's own, not both", "leave out either 'shared' or 'per'"
            )
        given = self.model_fields_set
        if self.store == MEMORY:
            wrong = next((name for name in _ONLY_SHARED if name in given), None)
            if wrong is not None:
                raise Refusal(f"{wrong} is for a shared store", "leave it out, or write store: redis://host:6379")
            if self.max_body * 2 > self.max_size:
                raise Refusal(
                    "the largest body would take more than half of the cache",
                    "make max_size at least twice max_body",
                )
        elif "max_size" in given:
            raise Refusal("max_size is for the memory store", "set maxmemory at the shared store's own server")
        return self
