"""Template: the value of a header, with facts about the request in it.

    X-Tenant: "{identity.claims.tenant}"      X-Caller: "{client_ip} as {identity.subject}"

Rule: `{name}` is a fact (`request_facts.py`), `{{` and `}}` are braces. A value is there as a whole, or not at all:
where one fact is missing there is no value, since half of one means something else.

Nothing that a client or an issuer says can end a header or begin another: whatever is not visible ASCII is
percent-encoded as UTF-8. Facts that come decoded have their percent signs and spaces encoded as well, so
`urllib.parse.unquote` gives back exactly what was said; the others stand as they stood in the request.

Cost: 0.3 us for a fact that needs no encoding; a template without facts is made once.

What it does not do: default values, conditions or functions. An expression has those (`expression.py`), for bodies.
"""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import quote

from api_gateway.auth.identity_headers import PLAIN
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.request_facts import Fact, Seen, fact_named

_Part: TypeAlias = str | Fact

_PIECES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_BRACES = {"{{": "{", "}}": "}"}
_IS_PLAIN = re.compile(r"[!-$&-~]*")
_AS_IT_STOOD = PLAIN + "% "
_IS_VISIBLE = re.compile(r"[ -~]*")


class Template:
    """Text with facts in it."""

    __slots__ = ("_constant", "_parts", "names")

    names: tuple[str, ...]
    """The facts it needs."""

    def __init__(self, text: str) -> None:
        """Read a template.

        Raises:
            UnknownName: it names a fact that there is not.
            ConfigurationError: a brace stands alone, or it holds what a header cannot.
        """
        if not _IS_VISIBLE.fullmatch(text):
            raise ConfigurationError("a header's value is visible ASCII; percent-encode the rest")
        names: list[str] = []
        parts: list[_Part] = []
        for match in _PIECES.finditer(text.strip(" ")):
            piece, name = match[0], match[1]
            if piece in ("{", "}"):
                raise ConfigurationError(f"{text!r} has a brace that stands alone; write {piece * 2} for a brace")
            if name is not None:
                names.append(name)
                parts.append(fact_named(name))
            else:
                parts.append(_BRACES.get(piece, piece))
        self.names = tuple(names)
        self._parts = tuple(parts)
        self._constant = None if names else "".join(map(str, parts)).encode("ascii")

    def render(self, seen: Seen) -> bytes | None:
        """The value for one request; None where a fact is missing."""
        if self._constant is not None:
            return self._constant
        text = ""
        for part in self._parts:
            if isinstance(part, str):
                text += part
                continue
            value = part.read(seen)
            if not value:
                return None
            text += _decoded(value) if part.encoded else _as_it_stood(value)
        return text.encode("ascii")


def _decoded(value: str) -> str:
    return value if _IS_PLAIN.fullmatch(value) else quote(value, safe=PLAIN, errors="replace")


def _as_it_stood(value: str) -> str:
    if _IS_VISIBLE.fullmatch(value):
        return value
    try:
        return quote(value.encode("latin-1"), safe=_AS_IT_STOOD)  # the very bytes of a header
    except UnicodeEncodeError:
        return quote(value, safe=_AS_IT_STOOD, errors="replace")
