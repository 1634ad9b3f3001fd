"""Media type: what `Content-Type` says a body is, and which types a route takes.

Rule: a type is read strictly, or not at all. Names are compared without regard to case, parameters may be quoted,
and a parameter that is there twice is refused: two readers would choose differently. What a route takes is named
exactly (`application/json`), by its suffix (`application/*+json`), or as a whole kind (`text/*`). A suffix has to
be asked for: `application/merge-patch+json` is JSON, but means something else than `application/json`.

Cost: the regular expressions have one way to match, so they are linear; short values are remembered.

What it does not do: look into the body, or choose a type for an answer.

Source: RFC 9110 section 8.3 (Content-Type), 5.6.6 (parameters); RFC 6839 section 3.1 (+json).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from api_gateway.core.errors import BadRequest, ConfigurationError, UnsupportedMediaType
from api_gateway.core.headers import Headers

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})[ \t]*")
_PARAMETER = re.compile(rf';[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*)")[ \t]*)?')
_RANGE = re.compile(r"([a-z0-9!#$&^_.\-]+)/(?:\*|\*(\+[a-z0-9!#$&^_.\-]+)|[a-z0-9!#$&^_.\-+]+)")
_LONGEST_REMEMBERED = 100


class MediaType(NamedTuple):
    """A type, and the charset it names."""

    essence: str
    """`type/subtype` in lower case."""
    charset: str
    """In lower case; empty where none is named."""

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, by name or by suffix."""
        return self.essence == "application/json" or self.essence.endswith("+json")


class AcceptedTypes:
    """The types that a route takes."""

    __slots__ = ("_exact", "_ranges", "headers")

    headers: Headers
    """What a refusal tells the client to send instead (RFC 9110 15.5.16)."""

    def __init__(self, names: Sequence[str]) -> None:
        """Of exact names, `type/*` and `type/*+suffix`.

        Raises:
            ConfigurationError: one of `names` is none of these, or there is none.
        """
        if not names:
            raise ConfigurationError("there is no type that could be taken; name one")
        matches = {name: _RANGE.fullmatch(name.lower()) for name in names}
        for name, match in matches.items():
            if match is None:
                raise ConfigurationError(f"{name!r} is not a media type; write application/json or application/*+json")
        found = {name.lower(): match for name, match in matches.items() if match is not None}
        self._exact = frozenset(name for name in found if "*" not in name)
        self._ranges = [(f"{match[1]}/", match[2] or "") for name, match in found.items() if "*" in name]
        self.headers = Headers({"accept": ", ".join(found)})

    def check(self, headers: Headers) -> MediaType:
        """The type of a body that comes with `headers`.

        Raises:
            BadRequest: it cannot be read, or there are two.
            UnsupportedMediaType: it is missing, or not taken.
        """
        values = headers.get_all("content-type")
        if len(values) > 1:
            raise BadRequest("There is more than one Content-Type header.")
        if not values:
            raise UnsupportedMediaType("The body has no Content-Type.", headers=self.headers)
        media_type = parse_media_type(values[0])
        essence = media_type.essence
        if essence in self._exact:
            return media_type
        if any(essence.startswith(kind) and essence.endswith(suffix) for kind, suffix in self._ranges):
            return media_type
        raise UnsupportedMediaType("The body's type is not one that is taken here.", headers=self.headers)


def parse_media_type(value: str) -> MediaType:
    """Read the value of a Content-Type.

    Raises:
        BadRequest: it is malformed, or a parameter is there twice.
    """
    # Only what is as short as honest values is remembered: long ones would be memory for the asking.
    return _remembered(value) if len(value) <= _LONGEST_REMEMBERED else _parse(value)


def _parse(value: str) -> MediaType:
    match = _TYPE.match(value)
    if match is None:
        raise BadRequest("The Content-Type is malformed.")
    parameters: dict[str, str] = {}
    at = match.end()
    while at < len(value):
        parameter = _PARAMETER.match(value, at)
        if parameter is None:
            raise BadRequest("The Content-Type is malformed.")
        at = parameter.end()
        name, token, quoted = parameter.groups()
        if name is None:
            continue  # an empty parameter, as RFC 9110 5.6.6 lets senders write
        if name.lower() in parameters:
            raise BadRequest("The Content-Type has a parameter twice.")
        parameters[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return MediaType(match[1].lower(), parameters.get("charset", "").lower())


_remembered = lru_cache(maxsize=64)(_parse)
