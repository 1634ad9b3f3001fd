"""Tokens for tests, good and bad: made from parts, past every check of a library; and who publishes the keys."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import TypeAlias

from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

ISSUER, AUDIENCE = "https://id.example", "orders"
NOW = 1_800_000_000

Part: TypeAlias = "Mapping[str, object] | bytes"

SECRET = "a shared secret of sixty-four bytes, which is enough for HS512 !!"
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OTHER_EC = ECKey.generate_key("P-256", {"kid": "ec-2"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
OCT = OctKey.import_key(SECRET, {"kid": "oct"})


def encoded(raw: bytes) -> bytes:
    """base64url, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def claims(**changes: object) -> dict[str, object]:
    """What a good token says; a change to None takes a claim out."""
    usual: dict[str, object] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-42", "iat": NOW, "exp": NOW + 600}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def token(payload: Part | None = None, *, key: Key = EC, alg: str = "ES256", header: Part | None = None) -> str:
    """A token that `key` has signed, whatever is in it."""
    head = _raw({"alg": alg, "kid": key.kid, "typ": "at+jwt"} if header is None else header)
    message = encoded(head) + b"." + encoded(_raw(claims() if payload is None else payload))
    signature = b"" if alg == "none" else JWSRegistry.algorithms[alg].sign(message, key)
    return (message + b"." + encoded(signature)).decode()


def jwk(key: Key, **members: object) -> dict[str, object]:
    """The public JWK of a key, with other members."""
    return {**key.as_dict(private=False), **members}


def jwks(*keys: Key | Mapping[str, object]) -> bytes:
    """A JWKS document."""
    return json.dumps({"keys": [jwk(key) if isinstance(key, Key) else key for key in keys]}).encode()


def request_with(*values: str | bytes) -> Request:
    """A request with these values of `Authorization`."""
    return Request("GET", "/orders", [("host", "api.example"), *(("Authorization", value) for value in values)])


class Provider:
    """Publishes keys, as slowly and as badly as a test wants."""

    def __init__(self, document: bytes = b"", *, delay: float = 0.0, cache_control: str = "") -> None:
        self.document, self.delay, self.cache_control = document, delay, cache_control
        self.status = 200
        self.error: Exception | None = None
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.running = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Answer, or fail."""
        self.requests.append(request)
        self.running += 1
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        headers = {"cache-control": self.cache_control} if self.cache_control else {}
        response = Response(self.status, headers, self.document)
        self.responses.append(response)
        return response


def _raw(part: Part) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part).encode()
