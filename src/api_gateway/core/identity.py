"""Identity: who is calling, as authentication has proved it.

Rule: made by an authenticator (`auth/`) of what it has verified, and of nothing else. Immutable, so one object may
stand for the same caller in many requests. Two issuers may both know a subject `42`: `key` tells them apart, and
limits, caches and quotas must go by it.

What it does not do: decide what the caller may do (`middleware/authorization.py`), or prove anything itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

AuthenticationMethod: TypeAlias = Literal["api_key", "jwt", "introspection", "mtls"]

LONGEST_SUBJECT = 512

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A caller. Compared by identity, not by value: use `key`."""

    subject: str
    """Who: a user's or a client's name at its issuer."""
    method: AuthenticationMethod
    """How it was proved."""
    issuer: str = ""
    """Who vouches for it; empty for this gateway itself."""
    consumer: str = ""
    """The application that calls, or the owner of the key; empty if nobody said."""
    scopes: frozenset[str] = frozenset()
    """What it was granted (RFC 6749 3.3)."""
    roles: frozenset[str] = frozenset()
    tier: str = ""
    """Its class of service, such as `gold`."""
    claims: Mapping[str, object] = field(default_factory=dict)
    """Everything else its issuer says, verified."""
    expires: float | None = None
    """Wall-clock seconds after which this proves nothing; None for never."""
    key: str = field(init=False, repr=False)
    """Unique over all issuers and methods."""

    def __post_init__(self) -> None:
        """Check what will travel in headers.

        Raises:
            ValueError: a name is empty where there must be one, too long, or holds what could break a header.
        """
        if not self.subject:
            raise ValueError("an identity needs a subject")
        for text in (self.subject, self.consumer, self.issuer, self.tier):
            if len(text) > LONGEST_SUBJECT or _CONTROL.search(text):
                raise ValueError("a name in an identity is too long, or holds a control character")
        for word in (*self.scopes, *self.roles):
            if not _TOKEN.fullmatch(word):
                raise ValueError("a scope or role holds a character that RFC 6749 3.3 does not allow")
        object.__setattr__(self, "key", f"{self.method}:{len(self.issuer)}:{self.issuer}:{self.subject}")
