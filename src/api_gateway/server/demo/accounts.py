"""Accounts: who the demo's identity provider knows.

| who     | shows                                   | may                              |
|---------|-----------------------------------------|----------------------------------|
| anna    | an opaque token, made at start          | read orders, and check out       |
| ben     | the same                                | be known, nothing else           |
| robot   | a JWT, for its id and secret            | read orders                      |
| gateway | its id and secret, to the provider only | ask what a token is worth        |

Rule: the ids and secrets are no secrets, as they stand here: the provider listens on the loopback address only, and
guards a shop that does not exist. Tokens and keys are random all the same, and others each time.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.server.demo.configuration import AUDIENCE, GATEWAY, ORDERS_SCOPE, ROBOT
from api_gateway.server.demo.identity_provider import IdentityProvider, Subject

LIFETIME = 3600.0
"""Seconds for which a token is valid."""

BUYER = "anna"
"""Whose carts the checkout has."""

USERS: Mapping[str, Subject] = {
    BUYER: Subject(frozenset({ORDERS_SCOPE}), tier="gold"),
    "ben": Subject(),
}

CLIENTS: Mapping[str, tuple[str, Subject]] = {
    ROBOT.id: (ROBOT.secret, Subject(frozenset({ORDERS_SCOPE}))),
    GATEWAY.id: (GATEWAY.secret, Subject()),
}


def demo_provider(url: str) -> IdentityProvider:
    """The provider that clients find at `url`."""
    return IdentityProvider(url, clients=CLIENTS, users=USERS, audience=AUDIENCE, lifetime=LIFETIME)


def user_tokens(provider: IdentityProvider) -> dict[str, str]:
    """A token for each user, by name: opaque ones, which are short."""
    return {name: provider.issue(name, ROBOT.id, rights, opaque=True) for name, rights in USERS.items()}
