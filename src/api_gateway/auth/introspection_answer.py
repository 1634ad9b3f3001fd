"""Introspection answer: what a provider's JSON about a token means (RFC 7662 2.2).

| the answer                                                   | then                                             |
|--------------------------------------------------------------|--------------------------------------------------|
| `active: false`                                              | the token proves nothing                         |
| `active: true`, but expired, not yet valid, for another      | the same: it is not for this gateway, or not now |
| audience, of another issuer, or not a bearer access token    |                                                  |
| `active: true` otherwise                                     | an identity                                      |
| anything else: no JSON object, a member named twice, a       | `UnusableAnswer`: nothing is known of the token  |
| member of the wrong type, nobody named                       |                                                  |

Who: `sub`, else `username`, else `client_id`. A provider should send `sub`: without it, a user who may choose the
name of a client would be taken for that client. A token bound to a key (`cnf`) is refused: admitting it without the
proof of the key would make it the bearer token that its issuer wanted to avoid.

Bound: the caller's on the size of the answer; `strict_json.py` has one for its depth.

What it does not do: ask, or keep. An expected issuer or audience that the answer does not name is a refusal, as
silence is no proof.

Source: RFC 7662 2.2 and 4; RFC 6750 (bearer); RFC 7800 3.1 (cnf).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from api_gateway.auth.identity_cache import Refused
from api_gateway.auth.strict_json import read_object
from api_gateway.core.identity import Identity

_Answer: TypeAlias = dict[str, object]

_LATEST = 1e15  # seconds, 30 million years: also milliseconds in the place of seconds, which some send, are a time
_REFRESH = "refresh_token"


class UnusableAnswer(Exception):
    """It says nothing of the token. `str()` names what is wrong and holds nothing of the answer."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be true of an active token, and where its answer says what."""

    issuer: str = ""
    """The `iss` that it must have; any, or none, if empty."""
    audiences: AbstractSet[str] = frozenset()
    """One of these must be among its `aud`; anything, or nothing, if there are none."""
    roles_claim: str = "roles"
    """The member with the caller's roles, a list or a text with spaces; `realm_access.roles` is one within another."""
    tier_claim: str = "tier"
    """The member with the caller's tier."""
    leeway: float = 30.0
    """Seconds by which the provider's clock may be ahead: a token is often used as soon as it is issued (`nbf`)."""


def read_answer(body: bytes, expected: Expected, provider: str, now: float) -> Identity | Refused:
    """What the 200 response with this body says; `now` is wall-clock seconds.

    `provider` vouches for identities where no issuer is expected: two providers may know the same subject.

    Raises:
        UnusableAnswer: it is not an introspection response.
    """
    try:
        answer = read_object(body)
    except ValueError:
        raise UnusableAnswer("its answer is not one JSON object with one meaning") from None
    active = answer.get("active")
    if active is False:
        return Refused("The token is not active.")
    if active is not True:
        raise UnusableAnswer("its answer does not say whether the token is active")
    expires = _time(answer, "exp")
    reason = _refusal(answer, expected, expires, now)
    return Refused(reason) if reason else _identity(answer, expected, provider, expires)


def _refusal(answer: _Answer, expected: Expected, expires: float | None, now: float) -> str:
    """Why an active token is not good here; empty if it is."""
    not_before = _time(answer, "nbf")
    if expires is not None and now >= expires:
        return "The token has expired."
    if not_before is not None and now + expected.leeway < not_before:
        return "The token is not valid yet."
    if expected.issuer and _text(answer, "iss") != expected.issuer:
        return "The token is of another issuer."
    if expected.audiences and expected.audiences.isdisjoint(_several(answer, "aud")):
        return "The token is for another audience."
    if (_text(answer, "token_type") or "bearer").lower() != "bearer" or answer.get("token_use") == _REFRESH:
        return "The token is not a bearer access token."
    if answer.get("cnf") is not None:
        return "The token is bound to a key, and a bearer proves none."
    return ""


def _identity(answer: _Answer, expected: Expected, provider: str, expires: float | None) -> Identity | Refused:
    client = _text(answer, "client_id")
    subject = _text(answer, "sub") or _text(answer, "username") or client
    if not subject:
        raise UnusableAnswer("its answer about an active token has no sub, username or client_id")
    scopes = frozenset(_text(answer, "scope").split())
    roles = frozenset(_several(answer, expected.roles_claim, split=True))
    tier = _text(answer, expected.tier_claim)
    try:
        return Identity(
            subject,
            "introspection",
            issuer=expected.issuer or provider,
            consumer=client,
            scopes=scopes,
            roles=roles,
            tier=tier,
            claims=MappingProxyType(answer),
            expires=expires,
        )
    except ValueError:
        return Refused("The token's owner has a name, or a right, that cannot be passed on.")


def _member(answer: _Answer, name: str) -> object:
    """As it is called, or one within another; null is as good as absent."""
    if name in answer:
        return answer[name]
    value: object = answer
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _time(answer: _Answer, name: str) -> float | None:
    value = answer.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_LATEST <= value <= _LATEST:
        raise UnusableAnswer(f"{name} in its answer is not a time")
    return float(value)


def _text(answer: _Answer, name: str) -> str:
    value = _member(answer, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnusableAnswer(f"{name} in its answer is not a text")
    return value


def _several(answer: _Answer, name: str, *, split: bool = False) -> list[str]:
    """A list of texts, or one text, which may be `split` at its spaces."""
    value = _member(answer, name)
    if value is None:
        return []
    if isinstance(value, str):
        return value.split() if split else [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UnusableAnswer(f"{name} in its answer is neither a text nor a list of them")
    return value
