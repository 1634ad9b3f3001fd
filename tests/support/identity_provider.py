"""The demo's identity provider, in this process or on a socket, with a shop, a gateway and two users.

async with listening(provider()) as url: ...
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import cast
from urllib.parse import urlencode

from api_gateway.core.asgi import AsgiApplication
from api_gateway.core.clock import Clock
from api_gateway.core.request import Request
from api_gateway.server.demo.identity_provider import IdentityProvider, Subject
from tests.support.gateway_server import serve

ISSUER = "http://id.test"
CLIENTS = {
    "shop": ("shop-secret", Subject(frozenset({"orders:read", "orders:write"}), tier="gold")),
    "gateway:1": ("s3cret with+all%kinds", Subject()),
}
USERS = {
    "ada": Subject(frozenset({"orders:read"}), ("staff", "admin")),
    "ben": Subject(frozenset({"orders:read", "orders:write"})),
}


def provider(clock: Clock | None = None, seed: int | None = 1, lifetime: float = 300.0) -> IdentityProvider:
    """One that makes the same keys and tokens each time; with seed None, others each time."""
    return IdentityProvider(
        ISSUER,
        clients=CLIENTS,
        users=USERS,
        audience="orders",
        lifetime=lifetime,
        clock=clock,
        random=None if seed is None else Random(seed),
    )


@asynccontextmanager
async def listening(provider: IdentityProvider) -> AsyncIterator[str]:
    """Its URL while it listens on a free port of this machine."""
    async with serve(cast(AsgiApplication, provider.application), http="httptools") as server:
        yield server.url


def form(path: str, values: Mapping[str, str], client: str = "shop", secret: str = "shop-secret") -> Request:
    """A form that a client posts."""
    credentials = b64encode(f"{client}:{secret}".encode()).decode()
    headers = {"authorization": f"Basic {credentials}", "content-type": "application/x-www-form-urlencoded"}
    body = urlencode(values).encode()
    return Request("POST", path, headers={**headers, "content-length": str(len(body))}, body=body)
