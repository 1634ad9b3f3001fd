"""Canonical path: one spelling for routing, policy, cache keys *and* forwarding.

Two parsers that read one path differently are a hole: the gateway checks `/public/..%2fadmin`,
the service opens `/admin`. So each path is brought into one form before anything looks at it,
and exactly that form is sent on.

Rule (RFC 3986 section 6.2.2, then stricter):
- escapes of unreserved characters are decoded (`%61` is `a`), all others get upper-case digits;
- `.` and `..` segments are resolved, `//` is merged, a trailing slash is kept;
- characters that a URI may not hold (`"`, `<`, `{`, ...) are escaped;
- an escaped slash stays data: `a%2Fb` is one segment, forwarded as `a%2Fb`.

Refused with 400, because two readers could disagree: climbing above the root; a bad escape;
escaped control characters; bytes that are not UTF-8 (overlong forms too); a raw backslash,
space, `#` or non-ASCII byte; and a dot segment that would appear if somebody decoded again or
cut off parameters: `..%2fadmin`, `..%5cadmin`, `..;/admin`.

Cost: a path without dot segments, empty ones and escapes, nearly every one, is recognised and returned as is.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from api_gateway.core.errors import BadRequest

# No possessive quantifiers: those of Python 3.11.2, which Debian 12 has, match what they must not.
_PLAIN = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,=:@/]*")
_ILLEGAL = re.compile(r"[^\x21-\x7e]|[\\#?]")
_ESCAPE = re.compile(r"%(.{0,2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEX_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_NEEDS_ESCAPE = re.compile(r'["<>\[\]^`{|}]')
_ANOTHER_READERS_SEPARATOR = re.compile(r"[/\\;]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def canonical_path(path: str) -> str:
    """The canonical form of a percent-encoded absolute path.

    Raises:
        BadRequest: the path has no single meaning; the detail says why.
    """
    if "/." not in path and "//" not in path and _PLAIN.fullmatch(path):
        return path
    if not path.startswith("/"):
        raise BadRequest("The request target must be a path that begins with '/'.")
    illegal = _ILLEGAL.search(path)
    if illegal:
        raise BadRequest(f"The path holds {illegal.group()!r}, which must be percent-encoded.")
    return _join_resolved([_canonical_segment(segment) for segment in path.split("/")[1:]])


def decode_segment(segment: str) -> str:
    """One segment of a canonical path with its escapes decoded; an escaped slash becomes a slash."""
    return unquote_to_bytes(segment).decode("utf-8") if "%" in segment else segment


def _canonical_segment(segment: str) -> str:
    segment = _ESCAPE.sub(_canonical_escape, segment)
    segment = _NEEDS_ESCAPE.sub(lambda match: f"%{ord(match.group()):02X}", segment)
    try:
        decoded = decode_segment(segment)
    except UnicodeDecodeError:
        raise BadRequest("The path holds escapes that are not UTF-8.") from None
    if _CONTROL.search(decoded):
        raise BadRequest("The path holds an escaped control character.")
    pieces = _ANOTHER_READERS_SEPARATOR.split(decoded)
    if len(pieces) > 1 and not {".", ".."}.isdisjoint(pieces):
        raise BadRequest("The path hides a dot segment behind an escaped slash, a backslash or a parameter.")
    return segment


def _canonical_escape(match: re.Match[str]) -> str:
    digits = match.group(1)
    if not _HEX_PAIR.fullmatch(digits):
        raise BadRequest("The path holds '%' without two hexadecimal digits behind it.")
    character = chr(int(digits, 16))
    return character if character in _UNRESERVED else f"%{digits.upper()}"


def _join_resolved(segments: list[str]) -> str:
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if not kept:
                raise BadRequest("The path climbs above its root.")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    trailing_slash = segments[-1] in ("", ".", "..") and kept
    return "/" + "/".join(kept) + ("/" if trailing_slash else "")
