"""Introspection in the configuration: which provider is asked about tokens, and what happens without it.

    introspection:
      url: https://id.example/introspect            # or service: identity and path: /introspect
      client_id: gw
      client_secret: ${INTROSPECT_SECRET}
      cache: 60s
      when_down: {read: admit_cached, write: refuse}

Rule: tokens and the gateway's own secret travel to the provider, so a `url` is https unless it leads to this machine.
A `service` has its own transport, breaker and balancer under `services`; a `url` gets them from the options here.
What would never be used (a breaker beside a service, a memory for outages where nobody is admitted) is an error.

Bound: a revocation is noticed after `cache` at the latest, so that is at most an hour; while the provider is down,
after `cache` and `stale_for`, at most a day.

What it does not do: make the authenticator, or know the services there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from api_gateway.config.circuit_breaker_schema import CircuitBreakerConfig
from api_gateway.config.fields import Count, Secret, Text, text
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.config.provider_fields import ProviderPath, ProviderUrl, origin_of, target_of
from api_gateway.config.units import format_duration, parse_duration


def _within(low: float, high: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        seconds = parse_duration(value)
        if not low <= seconds <= high:
            remedy = f"write from {format_duration(low) if low else '0'} to {format_duration(high)}"
            raise Refusal(f"{shown(value)} is out of range here", remedy)
        return seconds

    return check


def _audience(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not value:
        raise Refusal("expected an audience, or several", "write a name, or a list of them")
    return value


def _policy(value: object) -> str:
    policy = text(value)
    if policy == "admit":
        cause = "'admit' would let in whoever shows any text as a token while the provider is down"
        raise Refusal(cause, "write admit_cached, for callers known from before, or refuse")
    if policy not in ("admit_cached", "refuse"):
        raise Refusal(f"unknown policy {policy!r}", "write admit_cached or refuse")
    return policy


def _seconds(low: float, high: float) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(_within(low, high)), WithJsonSchema({"type": ["string", "number"], "examples": ["60s"]})


_HOUR, _DAY = 3600.0, 86400.0
_CACHE, _CACHE_JSON = _seconds(0, _HOUR)
_BRIEF, _BRIEF_JSON = _seconds(0, 300.0)
_STALE, _STALE_JSON = _seconds(0, _DAY)
_TIMEOUT, _TIMEOUT_JSON = _seconds(0.01, 30.0)

Audiences: TypeAlias = Annotated[
    tuple[Text, ...],
    BeforeValidator(_audience),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Policy: TypeAlias = Annotated[Literal["admit_cached", "refuse"], BeforeValidator(_policy)]


class WhenDownConfig(Model):
    """What happens while the provider cannot be asked."""

    read: Policy = "admit_cached"
    """To GET, HEAD and OPTIONS: admit callers known from before, or refuse everybody."""
    write: Policy = "refuse"
    """To all other methods."""


class IntrospectionConfig(Model):
    """One provider that is asked about tokens (RFC 7662)."""

    url: ProviderUrl | None = None
    """Where it is asked."""
    service: Text | None = None
    """Or the service under `services` that is asked, at `path`."""
    path: ProviderPath | None = None
    """Where the service is asked; `/introspect` unless given."""
    client_id: Text
    """Who the gateway is to the provider."""
    client_secret: Secret
    """How it proves that."""
    cache: Annotated[float, _CACHE, _CACHE_JSON] = 60.0
    """Seconds for which an answer is as good as a new one; never beyond the token's own expiry."""
    negative_cache: Annotated[float, _BRIEF, _BRIEF_JSON] = 5.0
    """Seconds for which a refusal is."""
    max_cached: Count = 10_000
    """How many callers, and as many refusals, are kept."""
    when_down: WhenDownConfig = WhenDownConfig()
    """Whether callers known from before are admitted while the provider is down."""
    stale_for: Annotated[float, _STALE, _STALE_JSON] = 600.0
    """Seconds after `cache` for which they are."""
    timeout: Annotated[float, _TIMEOUT, _TIMEOUT_JSON] = 2.0
    """Seconds for one question and its answer."""
    circuit_breaker: CircuitBreakerConfig = Field(
        default_factory=lambda: CircuitBreakerConfig(open_for=5.0, failure_statuses=("201-599",))
    )
    """When the provider at `url` is left alone. Anything but a 200 is a failure."""
    issuer: Text | None = None
    """The `iss` that tokens must have."""
    audience: Audiences = ()
    """What tokens must be for; one of them will do."""
    leeway: Annotated[float, _BRIEF, _BRIEF_JSON] = 30.0
    """Seconds by which the provider's clock may be ahead of the gateway's."""
    roles_claim: Text = "roles"
    """The member of an answer with the caller's roles; dots lead into others: `realm_access.roles`."""
    tier_claim: Text = "tier"
    """The member of an answer with the caller's tier."""

    @model_validator(mode="after")
    def _one_provider(self) -> IntrospectionConfig:
        if self.url is None and self.service is None:
            raise Refusal("there is nobody to ask", "add url: https://..., or service: and path:")
        if self.url is not None:
            for name in ("service", "path"):
                if getattr(self, name) is not None:
                    raise Refusal(f"url says where to ask, and so does {name}", f"remove url, or remove {name}")
        elif "circuit_breaker" in self.model_fields_set:
            raise Refusal("a service has a circuit breaker of its own", f"move this to services.{self.service}")
        return self

    @model_validator(mode="after")
    def _memory_for_outages(self) -> IntrospectionConfig:
        nobody = self.when_down.read == self.when_down.write == "refuse"
        if nobody and "stale_for" in self.model_fields_set:
            raise Refusal("nobody is admitted while the provider is down, so stale_for is of no use", "remove it")
        if not nobody and not self.stale_for and not self.cache:
            raise Refusal("nobody is remembered, so nobody can be admitted as known", "give stale_for, or refuse both")
        return self

    @property
    def origin(self) -> str | None:
        """Scheme, host and port of `url`, as an endpoint; None for a service."""
        return None if self.url is None else origin_of(self.url)

    @property
    def target(self) -> str:
        """The path to ask, and its query."""
        return self.path or "/introspect" if self.url is None else target_of(self.url)

    @property
    def name(self) -> str:
        """What the log and metrics call the provider."""
        return self.service or self.origin or ""
