"""A whole gateway with a protected part, built from a configuration, and what reached the services behind it.

    async with rig(folder) as gateway:
        answer = await gateway.ask("/admin/users", bearer(token(claims(scope="admin"))))
        assert answer.status == 200

| path        | who may                                       |
|-------------|-----------------------------------------------|
| /admin/*    | callers with the scope `admin`                |
| /orders/*   | callers that are known                        |
| /optional/* | everybody; who shows credentials is known     |
| /*          | everybody                                     |

Callers are known by an API key, a JWT of `tests/support/jwt_tokens.py`, or an opaque token that the service `id`
knows. Rule: each service records what reached it, and whoever asks sees every answer checked: no 500, and a refusal
is a problem of the gateway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from api_gateway import ApiGateway, Request, RequestContext, Response, build_gateway
from api_gateway.core.clock import ManualClock
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.request import Body
from api_gateway.middleware.security_events import SecurityEventsMiddleware
from tests.support.jwt_tokens import AUDIENCE, EC, ED, ISSUER, NOW, OCT, RSA, jwks

Header: TypeAlias = tuple[str, str | bytes]

CLIENT, PROXY = "192.0.2.7", "10.0.0.1"
"""The addresses of a peer that is not trusted, and of one that is."""

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519", "HS256")
OPAQUE = "opaque-token-of-an-admin"
OPAQUE_SCOPELESS = "opaque-token-of-a-reader"
KNOWN_TOKENS: Mapping[str, Mapping[str, object]] = {
    OPAQUE: {"active": True, "sub": "opaque-admin", "scope": "admin", "exp": NOW + 600},
    OPAQUE_SCOPELESS: {"active": True, "sub": "opaque-reader", "exp": NOW + 600},
}
IDENTITY = ("x-user-id", "x-user-scopes", "x-user-roles", "x-consumer")


def key_text(identifier: str) -> str:
    """The API key of this id: the same each time."""
    return f"gw_{identifier}_{sha256(identifier.encode()).hexdigest()}"


ADMIN_KEY, READER_KEY = key_text("a11ce"), key_text("b0b")
EXPIRED_KEY, DISABLED_KEY, UNKNOWN_KEY = key_text("01d"), key_text("0ff"), key_text("dead")


def key_file(folder: Path) -> Path:
    """A file with records of all keys but the unknown one."""
    owners: Mapping[str, tuple[str, Mapping[str, object]]] = {
        ADMIN_KEY: ("alice", {"scopes": ["admin"], "roles": ["boss"]}),
        READER_KEY: ("bob", {}),
        EXPIRED_KEY: ("carol", {"scopes": ["admin"], "expires": "2020-01-01T00:00:00Z"}),
        DISABLED_KEY: ("dave", {"scopes": ["admin"], "disabled": True}),
    }
    records = [
        {"id": key.split("_")[1], "hash": "sha256:" + sha256(key.encode()).hexdigest(), "owner": owner, **others}
        for key, (owner, others) in owners.items()
    ]
    path = folder / "keys.yaml"
    path.write_text(json.dumps({"keys": records}))
    return path


def methods(folder: Path) -> list[dict[str, object]]:
    """An `any_of` with every way: all kinds of keys, so that each confusion has something to be confused with."""
    keys = folder / "jwks.json"
    keys.write_bytes(jwks(EC, RSA, ED, OCT.as_dict(private=True)))
    token = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": list(ALGORITHMS), "jwks_file": str(keys)}
    asked = {"service": "id", "path": "/introspect", "client_id": "gw", "client_secret": "not-told-to-anybody"}
    return [{"api_key": {"keys_file": str(key_file(folder))}}, {"jwt": token}, {"introspection": asked}]


def configuration(folder: Path, **changes: object) -> dict[str, object]:
    """The configuration of the module's text; `changes` replace whole sections."""
    ways = methods(folder)
    required, optional = {"auth": {"any_of": ways}}, {"auth": {"any_of": ways, "optional": True}}
    protected = [required, {"authorize": {"scopes": ["admin"]}}]
    usual: dict[str, object] = {
        "trusted_proxies": ["10.0.0.0/8"],
        "middleware": ["request_id"],
        "routes": [
            {"path": "/admin/*", "service": "admin", "middleware": protected},
            {"path": "/orders/*", "service": "orders", "middleware": [required]},
            {"path": "/optional/*", "service": "optional", "middleware": [optional]},
            {"path": "/*", "service": "open"},
        ],
    }
    return usual | changes


@dataclass(frozen=True)
class Seen:
    """A request as it reached a service, and who the gateway said it is."""

    request: Request
    identity: Identity | None
    client_address: str
    body: bytes = b""

    def told(self) -> dict[str, list[str]]:
        """What the service is told of the caller: every value of each identity header that is there."""
        headers = self.request.headers
        return {name: values for name in IDENTITY if (values := headers.get_all(name))}


class Recorder:
    """A service that keeps what reaches it, and answers with what it was told."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.seen: list[Seen] = []
        self.headers: Mapping[str, str] = {}
        """What it adds to its answers."""
        self.turns: Callable[[], int] = lambda: 0
        """How often others get a turn before it answers."""

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Record and answer."""
        body = await request.read()
        for _ in range(self.turns()):
            await asyncio.sleep(0)
        seen = Seen(request, context.identity, context.client_address, body)
        self.seen.append(seen)
        response = Response.json({"service": self.name, "target": request.target, "told": seen.told()})
        for name, value in self.headers.items():
            response.headers = response.headers.setting(name, value)
        return response


class Introspector:
    """An identity provider that knows `KNOWN_TOKENS`, and publishes its keys."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[str] = []
        """The targets that it was asked for, in order."""
        self.turns: Callable[[], int] = lambda: 0
        """How often others get a turn before it answers."""

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Answer one question."""
        self.asked.append(request.target)
        for _ in range(self.turns()):
            await asyncio.sleep(0)
        if self.down:
            return Response.text("out of order", 503)
        if request.path == "/jwks":
            return Response(200, {"content-type": "application/json"}, jwks(EC, RSA, ED))
        (token,) = parse_qs((await request.read()).decode())["token"]
        return Response.json(dict(KNOWN_TOKENS.get(token, {"active": False})))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The gateway's own name for the refusal; empty if a service answered."""
        return str(self.json()["code"]) if self.is_problem else ""

    @property
    def is_problem(self) -> bool:
        """Whether the gateway refused."""
        return self.headers.get("content-type") == "application/problem+json"

    @property
    def challenges(self) -> list[str]:
        """The `WWW-Authenticate` lines."""
        return self.headers.get_all("www-authenticate")


@dataclass
class Rig:
    """A running gateway, and what stands behind it."""

    gateway: ApiGateway
    services: Mapping[str, Recorder]
    provider: Introspector
    clock: ManualClock
    host: str = "api.example"

    async def ask(
        self,
        target: str = "/admin/users",
        *headers: Header,
        method: str = "GET",
        body: Body = b"",
        peer: str = CLIENT,
        scheme: str = "http",
    ) -> Answer:
        """The answer to one request, as a connection from `peer` would bring it."""
        fields = Headers.from_pairs(_pairs(headers))
        if "host" not in fields:
            fields = fields.setting("host", self.host)
        path, _, query = target.partition("?")
        request = Request.from_parts(method, path, query, fields, body)
        response = await self.gateway.handle(request, RequestContext(self.clock.monotonic(), peer, scheme, "1.1"))
        answer = Answer(response.status, response.headers, await response.read())
        check_answer(answer)
        return answer

    def forget(self) -> None:
        """As if nothing had been asked yet."""
        for service in self.services.values():
            service.seen.clear()
        self.provider.asked.clear()

    def reached(self, name: str = "admin") -> int:
        """How many requests a service has seen."""
        return len(self.services[name].seen)


def _pairs(headers: Sequence[Header]) -> list[tuple[bytes, bytes]]:
    """The fields as a server's parser hands them over: names in lower case, values trimmed."""
    pairs = ((name, value if isinstance(value, bytes) else value.encode("latin-1")) for name, value in headers)
    return [(name.lower().encode("latin-1"), value.strip(b" \t")) for name, value in pairs]


def check_answer(answer: Answer) -> None:
    """What holds for every answer, whatever was asked.

    Raises:
        AssertionError: it is a 500, or a refusal that is no problem of the gateway, or one without its challenge.
    """
    assert answer.status != 500, answer.body
    if answer.status < 400:
        return
    assert answer.is_problem, answer
    problem = answer.json()
    assert problem["status"] == answer.status
    assert bool(answer.challenges) == (answer.status == 401) or answer.status in (400, 403), answer


def bearer(token: str) -> Header:
    """The header that carries a token."""
    return "Authorization", f"Bearer {token}"


def key(text: str = ADMIN_KEY) -> Header:
    """The header that carries an API key."""
    return "X-API-Key", text


def build_rig(config: Mapping[str, object]) -> Rig:
    """The gateway of a configuration whose services are `admin`, `orders`, `optional`, `open` and `id`.

    `watch` may stand in its middleware: the security events.
    """
    services = {name: Recorder(name) for name in ("admin", "orders", "optional", "open")}
    provider, clock = Introspector(), ManualClock(wall=NOW)
    gateway = build_gateway(
        config,
        {**services, "id": provider},
        clock=clock,
        random=Random(7),
        middleware={"watch": lambda _options, _tools: SecurityEventsMiddleware()},
    )
    return Rig(gateway, services, provider, clock)


@asynccontextmanager
async def rig(folder: Path, **changes: object) -> AsyncIterator[Rig]:
    """A running rig; `changes` replace sections of the configuration."""
    made = build_rig(configuration(folder, **changes))
    async with made.gateway:
        yield made
