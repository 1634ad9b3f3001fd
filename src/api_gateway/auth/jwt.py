"""JWT: a token that its issuer has signed, verified here, without asking anybody for each request.

    eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ . eyJpc3MiOiJodHRwczovL2lkIn0 . MEUCIQ...
    header: how it is signed             claims: who, for whom, until    signature over both

Rule, in this order, and the first that fails ends it:

| step | what                                                        | where                               |
|------|-------------------------------------------------------------|-------------------------------------|
| 1    | one bearer token, of a bounded length, in three segments    | `bearer.py`                         |
| 2    | the same token was verified a while ago, with the same keys | here                                |
| 3    | its header: algorithm on the list, nothing that misleads    | `jwt_header.py`                     |
| 4    | the key for its `kid` and `alg`                             | `key_set.py`, `remote_key_set.py`   |
| 5    | the signature, by joserfc                                   | `verification_key.py`               |
| 6    | issuer, audience, times, subject                            | `jwt_claims.py`                     |

Nothing in the claims is looked at before the signature is good. Failures are not remembered: they cost an attacker
as much as us, and would push out what was verified.

What was verified is remembered under the token's SHA-256, not under the token: 32 bytes, whatever its length, and
no usable token lies in memory for longer than its request. It ends at `exp`, or when the keys change, whichever is
first. A token within the leeway after its `exp` is verified each time.

Cost: 4 to 5 us for a token that is remembered, most of it the hash and the header's syntax; for another about 55 us
with RS256 and 125 us with ES256, of which the signature alone is 23 and 83.
Bound: `remember` tokens, the least recently used forgotten first.

What it does not do: know of a token that its issuer has withdrawn; that takes `introspection.py`, or short lives.

Source: RFC 7519, RFC 7515, RFC 8725 (best current practice), RFC 9068 (access tokens).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from hashlib import sha256

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.bearer import LONGEST_TOKEN, bearer_token, is_signed_token
from api_gateway.auth.challenge import challenge
from api_gateway.auth.jwt_claims import ClaimRules
from api_gateway.auth.jwt_header import ACCESS_TOKEN_TYPES, read_header
from api_gateway.auth.key_set import KeySet
from api_gateway.auth.key_source import KeySource
from api_gateway.auth.strict_json import from_base64url, read_object
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

REMEMBER = 10_000
"""Tokens."""

_NEVER = float("inf")


class JwtAuthenticator:
    """Callers who show a token that an issuer has signed for us."""

    __slots__ = ("_algorithms", "_clock", "_keys", "_leave_opaque", "_remember", "_remembered", "_remembered_for",
                 "_rules", "_types", "challenge", "credential_headers", "remembered", "verified")  # fmt: skip

    def __init__(
        self,
        keys: KeySource,
        rules: ClaimRules,
        *,
        algorithms: Collection[str],
        types: Collection[str] = ACCESS_TOKEN_TYPES,
        leave_opaque: bool = False,
        realm: str = "",
        remember: int = REMEMBER,
        clock: Clock | None = None,
    ) -> None:
        """Accept tokens of one issuer.

        Args:
            keys: whose signatures count.
            rules: what the claims must be.
            algorithms: those that a token may be signed with; all others are refused.
            types: what `typ` may be, in lower case and without `application/`; empty for a token without one.
            leave_opaque: whether tokens that are no JWS are for another authenticator, not malformed.
            realm: named in the challenge, if it is not empty.
            remember: how many verified tokens are kept; 0 for none.
            clock: tells the time.

        Raises:
            ValueError: the realm is not printable ASCII.
        """
        self._keys, self._rules = keys, rules
        self._algorithms, self._types = frozenset(algorithms), frozenset(types)
        self._leave_opaque = leave_opaque
        self._clock: Clock = clock or SystemClock()
        self._remember = remember
        self._remembered: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()
        self._remembered_for: KeySet | None = None
        self.challenge = challenge("Bearer", realm=realm) if realm else "Bearer"
        self.credential_headers = frozenset({b"authorization"})
        self.remembered = 0
        """How often a token was known already."""
        self.verified = 0
        """How often one was verified, and found good."""

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        """The identity that the request's token proves; None if it has none of this kind.

        Raises:
            InvalidCredentials: it has one that proves nothing.
            IdentityUnavailable: there are no keys to verify it with.
        """
        token = bearer_token(request)
        if token is None:
            return None
        keys = self._keys.current
        raw = token.encode("ascii")
        digest = sha256(raw).digest()
        if keys is self._remembered_for:
            known = self._remembered.get(digest)
            if known is not None and self._clock.wall() < known[1]:
                self._remembered.move_to_end(digest)
                self.remembered += 1
                return known[0]
        if not is_signed_token(token):
            if self._leave_opaque:
                return None
            raise InvalidCredentials("The token is not a signed JWT.")
        return await self._verify(raw, digest, keys)

    async def identity_of(self, token: str) -> Identity:
        """The identity that a token proves, verified now and not remembered.

        Raises:
            InvalidCredentials: it proves nothing.
            IdentityUnavailable: there are no keys to verify it with.
        """
        if len(token) > LONGEST_TOKEN:
            raise InvalidCredentials("The token is too long.")
        if not is_signed_token(token):
            raise InvalidCredentials("The token is not a signed JWT.")
        return await self._verify(token.encode("ascii"), None, self._keys.current)

    async def _verify(self, token: bytes, digest: bytes | None, keys: KeySet | None) -> Identity:
        message, _, last = token.rpartition(b".")
        first, _, middle = message.partition(b".")
        header = read_header(first, self._algorithms, self._types)
        try:
            signature = from_base64url(last)
        except ValueError:
            raise InvalidCredentials("The token's signature is malformed.") from None
        verify = None if keys is None else keys.find(header.algorithm, header.kid)
        if keys is None or verify is None:
            keys = await self._keys.look_again()
            verify = keys.find(header.algorithm, header.kid)
        if verify is None:
            raise InvalidCredentials("The token is signed with a key that is not known.")
        if not verify(message, signature):
            raise InvalidCredentials("The token's signature is wrong.")
        try:
            claims = read_object(from_base64url(middle))
        except ValueError:
            raise InvalidCredentials("The token's claims are malformed.") from None
        identity = self._rules.identity(claims, self._clock.wall())
        self.verified += 1
        if digest is not None and self._remember:
            self._keep(digest, identity, keys)
        return identity

    def _keep(self, digest: bytes, identity: Identity, keys: KeySet) -> None:
        if keys is not self._remembered_for:
            self._remembered.clear()
            self._remembered_for = keys
        self._remembered[digest] = identity, _NEVER if identity.expires is None else identity.expires
        if len(self._remembered) > self._remember:
            self._remembered.popitem(last=False)
