"""Priority classes in the configuration: what is refused first when not all can be served.

    priority: {tiers: {gold: critical}, routes: {reports: sheddable}, header: X-Priority}

Rule: the class of the caller's proven tier; else of the route, by its name; else `default`. The header may make it
lower; only with `trust_header` higher (`middleware/request_priority.py`).

What it does not do: know the tiers. They come from the identity.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from api_gateway.config.fields import Flag, Text, choice
from api_gateway.config.http_fields import HeaderName
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal

PriorityName: TypeAlias = Annotated[
    Literal["critical", "default", "sheddable"],
    BeforeValidator(choice("priority", "critical", "default", "sheddable")),
]


class PriorityConfig(Model):
    """How a request's class is found."""

    default: PriorityName = "default"
    """The class of whatever nothing else is said about."""
    tiers: dict[Text, PriorityName] = Field(default_factory=dict)
    """Classes of callers, by the tier of their proven identity."""
    routes: dict[Text, PriorityName] = Field(default_factory=dict)
    """Classes of routes, by their name; known behind the router only."""
    header: HeaderName | None = None
    """A header in which callers say their class; it can make it lower."""
    trust_header: Flag = False
    """Let the header make it higher, too: only where nobody untrusted can reach the gateway."""

    @model_validator(mode="after")
    def _header_to_trust(self) -> PriorityConfig:
        if self.trust_header and self.header is None:
            raise Refusal("there is no header to trust", "add header: NAME, or leave trust_header out")
        return self
