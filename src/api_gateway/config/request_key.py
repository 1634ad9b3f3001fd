"""Request key: what of a request says to whom it belongs, as it is named in the configuration.

Rule: one of the names that the key's owner knows (`client_ip`, `path`, ...), or `header:NAME`. The header's
name must be one that a route or a service can see.

What it does not do: read the key of a request. Load balancers and rate limits do.
"""

from __future__ import annotations

from collections.abc import Callable

from api_gateway.config.fields import text
from api_gateway.config.http_fields import header_name
from api_gateway.config.problems import Refusal, did_you_mean

HEADER = "header:"
"""What stands before a header's name in a key."""


def request_key(*names: str) -> Callable[[object], str]:
    """A validator for a key that is one of `names`, or a header."""

    def check(value: object) -> str:
        name = text(value)
        if name in names:
            return name
        if name.startswith(HEADER):
            return HEADER + header_name(name.removeprefix(HEADER))
        raise Refusal(f"unknown key {name!r}", did_you_mean(name, (*names, "header:NAME"), "there are"))

    return check
