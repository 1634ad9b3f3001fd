"""Identity provider: a small OAuth2 and OpenID Connect provider, for the demo and for tests.

| path                                | does                                                            | as in        |
|-------------------------------------|-----------------------------------------------------------------|--------------|
| `/.well-known/openid-configuration` | says where the others are                                       | RFC 8414     |
| `/jwks`                             | the keys that tokens are signed with                            | RFC 7517     |
| `POST /token`                       | issues one: `client_credentials`, or `DEMO_GRANT` for any user  | RFC 6749 4.4 |
| `POST /introspect`                  | what a token is worth                                           | RFC 7662     |
| `POST /revoke`                      | makes it worth nothing                                          | RFC 7009     |
| `POST /rotate`                      | signs with a new key                                            | ours         |
| `POST /outage`                      | `{"mode": "up"}`, `down`, `slow` or `garbage`                   | ours         |

    curl -u shop:shop-secret -d grant_type=client_credentials -d token_format=opaque http://127.0.0.1:9100/token

Tokens are JWTs (RFC 9068), or random text with `token_format=opaque`; both can be introspected and revoked. A client
proves itself by HTTP Basic (RFC 6749 2.3.1).

Rule: the two switches work in an outage too, else there would be no end to it.

Bound: `MOST_TOKENS` tokens; the oldest are forgotten first.

What it does not do: ask anybody for a password, keep anything over a restart, or protect its switches. It must
listen on the loopback address only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from random import Random, SystemRandom
from typing import Literal, TypeAlias, cast, get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gateway.core.clock import Clock, SystemClock
from api_gateway.server.demo.oauth_request import OAuthError, basic_credentials, read_form, required
from api_gateway.server.demo.services import ReadableJson
from api_gateway.server.demo.signing_keys import SigningKeys

DEMO_GRANT = "urn:api-gateway:demo:user"
"""The grant type that gives a client a token for any user it names, without a password. For demos."""
MOST_TOKENS = 10_000
"""Tokens that are remembered."""
SLOWNESS = 5.0
"""Seconds by which every answer is late while the mode is `slow`, and goes on being it."""

Mode: TypeAlias = Literal["up", "down", "slow", "garbage"]

_NO_STORE = {"cache-control": "no-store"}

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A client or a user: what tokens may say of it."""

    scopes: frozenset[str] = frozenset()
    roles: tuple[str, ...] = ()
    tier: str = ""


class IdentityProvider:
    """One provider; `application` is its ASGI side. The same clock and random make the same tokens and keys."""

    def __init__(
        self,
        issuer: str,
        *,
        clients: Mapping[str, tuple[str, Subject]],
        users: Mapping[str, Subject],
        audience: str,
        lifetime: float = 300.0,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        """Make one that is up.

        Args:
            issuer: its own URL, which is in every token.
            clients: secret and rights of each, by id.
            users: who may be named, by name.
            audience: whom its tokens are for.
            lifetime: seconds for which a token is valid.
            clock: tells the time.
            random: makes keys and tokens; the system's own unless given.
        """
        self.mode: Mode = "up"
        self.questions = 0
        """How many introspections were asked for, those in an outage too."""
        self._switched = asyncio.Event()
        self._issuer = issuer
        self._clients, self._users = clients, users
        self._audience, self._lifetime = audience, lifetime
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self.keys = SigningKeys(self._clock, self._random, overlap=lifetime)
        self._tokens: OrderedDict[str, dict[str, object]] = OrderedDict()
        self.application = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._unless_out(self._discovery)),
                Route("/jwks", self._unless_out(self._jwks)),
                Route("/token", self._unless_out(self._token), methods=["POST"]),
                Route("/introspect", self._unless_out(self._introspect), methods=["POST"]),
                Route("/revoke", self._unless_out(self._revoke), methods=["POST"]),
                Route("/rotate", self._rotate, methods=["POST"]),
                Route("/outage", self._outage, methods=["POST"]),
            ]
        )

    def issue(self, subject: str, client: str, rights: Subject, *, opaque: bool = False) -> str:
        """A token for `subject`, asked for by `client`."""
        now = int(self._clock.wall())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": self._audience,
            "iat": now,
            "exp": now + int(self._lifetime),
            "jti": f"{self._random.getrandbits(128):032x}",
            "client_id": client,
            "scope": " ".join(sorted(rights.scopes)),
            "roles": list(rights.roles),
            "tier": rights.tier,
        }
        token = f"{self._random.getrandbits(256):064x}" if opaque else self.keys.sign(claims)
        self._tokens[token] = claims
        if len(self._tokens) > MOST_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def _unless_out(self, endpoint: _Endpoint) -> _Endpoint:
        async def answer(request: Request) -> Response:
            self.questions += request.url.path.endswith("/introspect")
            if self.mode == "down":
                return JSONResponse({"error": "temporarily_unavailable"}, 503)
            if self.mode == "garbage":
                return Response("<html>Welcome.</html>", media_type="text/html")
            if self.mode == "slow":
                await self._be_slow()
            try:
                return await endpoint(request)
            except OAuthError as error:
                headers = {"www-authenticate": 'Basic realm="identity provider"'} if error.status == 401 else {}
                return JSONResponse({"error": str(error)}, error.status, {**_NO_STORE, **headers})

        return answer

    async def _be_slow(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SLOWNESS):
                await self._switched.wait()

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self._issuer,
                "jwks_uri": f"{self._issuer}/jwks",
                "token_endpoint": f"{self._issuer}/token",
                "introspection_endpoint": f"{self._issuer}/introspect",
                "revocation_endpoint": f"{self._issuer}/revoke",
                "grant_types_supported": ["client_credentials", DEMO_GRANT],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
            }
        )

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse(self.keys.published(), headers={"cache-control": "max-age=60"})

    async def _token(self, request: Request) -> Response:
        client, form = self._client(request), await read_form(request)
        subject, rights = client, self._clients[client][1]
        grant = form.get("grant_type", "")
        if grant == DEMO_GRANT:
            subject = form.get("username", "")
            if subject not in self._users:
                raise OAuthError("invalid_grant")
            rights = self._users[subject]
        elif grant != "client_credentials":
            raise OAuthError("unsupported_grant_type" if grant else "invalid_request")
        wanted = frozenset(form["scope"].split()) if form.get("scope") else rights.scopes
        if not wanted <= rights.scopes:
            raise OAuthError("invalid_scope")
        token_format = form.get("token_format", "jwt")
        if token_format not in ("jwt", "opaque"):
            raise OAuthError("invalid_request")
        granted = Subject(wanted, rights.roles, rights.tier)
        token = self.issue(subject, client, granted, opaque=token_format == "opaque")
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(self._lifetime)}
        return JSONResponse({**answer, "scope": " ".join(sorted(wanted))}, headers=_NO_STORE)

    async def _introspect(self, request: Request) -> Response:
        self._client(request)
        claims = self._tokens.get(required(await read_form(request), "token"))
        if claims is None or self._clock.wall() >= cast(int, claims["exp"]):
            return JSONResponse({"active": False}, headers=_NO_STORE)
        return JSONResponse({"active": True, "token_type": "Bearer", **claims}, headers=_NO_STORE)

    async def _revoke(self, request: Request) -> Response:
        client = self._client(request)
        token = required(await read_form(request), "token")
        if token in self._tokens and self._tokens[token]["client_id"] != client:
            raise OAuthError("invalid_grant")
        self._tokens.pop(token, None)
        return Response(status_code=200, headers=_NO_STORE)  # for an unknown token too (RFC 7009 2.2)

    async def _rotate(self, _: Request) -> Response:
        return ReadableJson({"kid": self.keys.rotate()})

    async def _outage(self, request: Request) -> Response:
        try:
            mode = (await request.json())["mode"]
        except (ValueError, TypeError, KeyError):
            mode = None
        if mode not in get_args(Mode):
            return ReadableJson({"error": 'write {"mode": "up"}, or down, slow, garbage'}, 400)
        self.mode = mode
        self._switched.set()
        self._switched = asyncio.Event()
        return ReadableJson({"mode": mode})

    def _client(self, request: Request) -> str:
        """The client that has proved itself."""
        name, secret = basic_credentials(request)
        known = self._clients[name][0] if name in self._clients else ""
        if not compare_digest(secret.encode(), known.encode()) or not known:
            raise OAuthError("invalid_client", 401)
        return name
