"""JWT claims: what a genuine token says, held against what is expected of it; and who it says is calling.

Rule: the issuer is the one that these keys are of, the audience is us, and the time is now.

| claim  | must be                                                                                   |
|--------|-------------------------------------------------------------------------------------------|
| `iss`  | the configured text, to the letter                                                        |
| `aud`  | one of the configured texts, or a list that holds one: else a token for a neighbour is one for us |
| `exp`  | there, and later than now                                                                 |
| `nbf`  | not later than now, if it is there                                                        |
| `iat`  | not later than now, if it is there: a token from the future is a clock that is wrong      |
| `sub`  | there: who is calling                                                                     |

Clocks differ, so times may be off by the leeway, at most five minutes. A time is a finite number of seconds before
the year 10000: not a text, not true.

The caller: scopes from `scope`, else `scp`; roles and tier from claims that can be named, also inside others
(`realm_access.roles`); the application from `azp`, else `client_id`.

What it does not do: look at a signature. Only claims whose signature has been verified may come here.

Source: RFC 7519 section 4.1, RFC 9068 sections 2.2 and 4, RFC 8693 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.core.identity import Identity

LONGEST_LEEWAY = 300.0
"""Seconds."""

_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What is expected of tokens, and where they say it."""

    issuer: str
    audiences: frozenset[str]
    """The names of this gateway, or of what stands behind it; a token must be for one of them."""
    leeway: float = 30.0
    """Seconds that the issuer's clock and ours may differ."""
    require_exp: bool = True
    roles_claim: str = "roles"
    """A claim's name, or the way to it with dots between."""
    tier_claim: str = "tier"
    """As for roles."""

    def __post_init__(self) -> None:
        """Raises ValueError for rules that would let anything pass."""
        if not self.issuer or not self.audiences or "" in self.audiences:
            raise ValueError("an issuer and an audience are needed")
        if not 0 <= self.leeway <= LONGEST_LEEWAY:
            raise ValueError(f"the leeway must be from 0 to {LONGEST_LEEWAY:g} seconds, not {self.leeway}")

    def identity(self, claims: dict[str, object], now: float) -> Identity:
        """Who the claims say is calling, at `now`, wall-clock seconds.

        Raises:
            InvalidCredentials: a claim is not as expected.
        """
        if claims.get("iss") != self.issuer:
            raise InvalidCredentials("The token is from another issuer.")
        self._check_audience(claims.get("aud"))
        expires = self._check_times(claims, now)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidCredentials("The token does not say who is calling.")
        scopes = _words(claims, "scope") if "scope" in claims else _words(claims, "scp")
        try:
            return Identity(
                subject,
                "jwt",
                issuer=self.issuer,
                consumer=_text(claims, "azp") or _text(claims, "client_id"),
                scopes=scopes,
                roles=_words(claims, self.roles_claim),
                tier=_text(claims, self.tier_claim),
                claims=MappingProxyType(claims),
                expires=expires,
            )
        except ValueError:
            raise InvalidCredentials("A name in the token is too long, or holds a forbidden character.") from None

    def _check_audience(self, audience: object) -> None:
        names = [audience] if isinstance(audience, str) else audience
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidCredentials("The token does not say whom it is for.")
        if self.audiences.isdisjoint(names):
            raise InvalidCredentials("The token is for another audience.")

    def _check_times(self, claims: dict[str, object], now: float) -> float | None:
        """When it expires."""
        expires = _time(claims, "exp")
        if expires is None and self.require_exp:
            raise InvalidCredentials("The token does not say when it expires.")
        if expires is not None and now >= expires + self.leeway:
            raise InvalidCredentials("The token has expired.")
        latest = now + self.leeway
        if (_time(claims, "nbf") or 0) > latest:
            raise InvalidCredentials("The token is not valid yet.")
        if (_time(claims, "iat") or 0) > latest:
            raise InvalidCredentials("The token was issued in the future.")
        return expires


def _time(claims: dict[str, object], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2)."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _YEAR_10000:
        raise InvalidCredentials(f"The token's {name} is not a time.")
    return float(value)


def _at(claims: dict[str, object], path: str) -> object:
    """The claim of that very name, as names may have dots in them, or else the one at the end of the way."""
    if path in claims or "." not in path:
        return claims.get(path)
    value: object = claims
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(claims: dict[str, object], path: str) -> str:
    value = _at(claims, path)
    if value is not None and not isinstance(value, str):
        raise InvalidCredentials(f"The token's {path} is not a text.")
    return value or ""


def _words(claims: dict[str, object], path: str) -> frozenset[str]:
    """Words with spaces between, or a list of words."""
    value = _at(claims, path)
    words = value.split(" ") if isinstance(value, str) else value
    if words is None:
        return frozenset()
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidCredentials(f"The token's {path} is not a list of words.")
    return frozenset(word for word in words if word)
