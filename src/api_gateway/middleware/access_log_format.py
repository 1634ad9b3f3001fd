r"""Access log formats: one finished request as one line.

Rule: no credential is ever in a line. Header fields are not logged but for the `combined`
format's user agent and referrer, the latter without its query. Of the query only the names of
parameters are, since any value may be a secret, and what does not look like a name is `*`; so is
what follows a `;` in the path. A secret in a path *segment* is logged: do not put it there.

A line cannot be forged. JSON escapes; the other two write everything but printable ASCII, and
quotes and backslashes, as `\xNN`.

| format   | for                                                             |
|----------|-----------------------------------------------------------------|
| json     | machines: every field, always, in the same order                |
| combined | tools that read Apache's format; nothing about the inside       |
| human    | a person watching a terminal                                    |

Times are UTC in all three; durations are milliseconds.

Source: Apache `mod_log_config` (combined); CWE-117 (log injection), CWE-532 (secrets in logs).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

FormatName: TypeAlias = Literal["json", "combined", "human"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MILLISECOND = 1_000_000  # nanoseconds
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-\[\]]{0,31}")
_PATH_PARAMETERS = re.compile(r";[^/?\s]+")
_REFERRER = re.compile(r"https?://[^/?#@;\s]+(?=[/?#]|\Z)(?:/[^?#;\s]*)?")
_UNPRINTABLE = re.compile(r'[^\x20-\x7e]|["\\]')
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class AccessLogEntry:
    """What is known of a request when it is over."""

    time: float
    """When it ended: seconds since 1970."""
    request: Request
    """As it came from the client."""
    context: RequestContext
    status: int
    bytes_sent: int
    """Of the body."""
    duration: int
    """Nanoseconds, from the request's arrival to the end of the response."""
    head_duration: int
    """Nanoseconds, to the response's head."""
    flag: str
    error: str

    @property
    def gateway_duration(self) -> int:
        """Nanoseconds to the head, less the waiting for services."""
        return max(0, self.head_duration - self.context.upstream_duration)


def json_line(entry: AccessLogEntry) -> str:
    """The entry as a JSON object."""
    request, context = entry.request, entry.context
    return _ENCODER.encode(
        {
            "time": _utc(entry).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": context.request_id,
            "trace_id": context.trace_id,
            "client": context.client_address,
            "method": request.method,
            "path": safe_target(request),
            "status": entry.status,
            "bytes": entry.bytes_sent,
            "duration_ms": _milliseconds(entry.duration),
            "upstream_ms": _milliseconds(context.upstream_duration),
            "gateway_ms": _milliseconds(entry.gateway_duration),
            "route": context.route,
            "service": context.service,
            "endpoint": context.endpoint,
            "attempts": context.attempts,
            "flag": entry.flag,
            "error": without_path_parameters(entry.error),
        }
    )


def combined_line(entry: AccessLogEntry) -> str:
    """The entry in Apache's combined format."""
    request, context = entry.request, entry.context
    time = _utc(entry)
    stamp = f"{time.day:02}/{_MONTHS[time.month - 1]}/{time:%Y:%H:%M:%S} +0000"
    version = f" HTTP/{context.http_version}" if context.http_version else ""
    line = _escaped(f"{request.method} {safe_target(request)}{version}")
    referrer = _REFERRER.match(request.header("referer") or "")
    agent = _escaped(request.header("user-agent") or "-")
    return (
        f"{_escaped(context.client_address) or '-'} - - [{stamp}] "
        f'"{line}" {entry.status} {entry.bytes_sent or "-"} '
        f'"{_escaped(referrer.group()) if referrer else "-"}" "{agent}"'
    )


def human_line(entry: AccessLogEntry) -> str:
    """The entry in columns."""
    request, context = entry.request, entry.context
    clock = _utc(entry).time().isoformat(timespec="milliseconds")
    target = _escaped(safe_target(request)).replace(" ", r"\x20")
    whom = _escaped(f"{context.service} {context.endpoint.removeprefix('http://')}".strip()) or "-"
    line = (
        f"{clock}  {entry.status:3}  {_escaped(request.method):7} {target:<32} {whom:<26} "
        f"{_milliseconds(entry.duration):9.1f} ms"
    )
    if entry.error or entry.flag != "-":
        line += f"  {entry.flag}  {_escaped(without_path_parameters(entry.error))}"
    return line.rstrip()


FORMATS: Mapping[FormatName, Callable[[AccessLogEntry], str]] = {
    "json": json_line,
    "combined": combined_line,
    "human": human_line,
}
"""The formats by the names that the configuration uses."""


def safe_target(request: Request) -> str:
    """Path and query of a request, less everything that may be a credential."""
    path = safe_path(request.path)
    if not request.query or path == "*":
        return path
    return f"{path}?{'&'.join(_safe_name(member) for member in request.query.split('&'))}"


def safe_path(path: str) -> str:
    """A path, less everything that may be a credential."""
    if not path.startswith("/"):
        return "*"  # not a path: an absolute target may hold a password
    return without_path_parameters(path)


def _safe_name(member: str) -> str:
    name, equals, _ = member.partition("=")
    return name if equals and _NAME.fullmatch(name) else "*"


def without_path_parameters(text: str) -> str:
    """A text in which a path may stand, less what follows a `;`."""
    return _PATH_PARAMETERS.sub(";*", text) if ";" in text else text


def _utc(entry: AccessLogEntry) -> datetime:
    return datetime.fromtimestamp(entry.time, UTC)


def _milliseconds(nanoseconds: int) -> float:
    return round(nanoseconds / _MILLISECOND, 3)


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
