"""A strict and simple reading of RFC 9112, as an oracle: the whole message at hand, no streaming.

It knows two framings, Content-Length and chunked, and no leniency but one that llhttp has and that
cannot hide anything: empty lines, whatever ends them, before a status line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,64})((?:;[\t\x20-\x7e\x80-\xff]*)?)")


class Malformed(Exception):
    """Not a message, or not a whole one."""


@dataclass
class Message:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: bytes
    """What comes behind the message."""


def parse(data: bytes, *, head_only: bool) -> Message:
    """The first final answer in `data`.

    Raises:
        Malformed: there is none, or its end is in doubt.
    """
    line, data = _line(data.lstrip(b"\r\n"))
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed(line)
    status = int(match[2])
    headers, data = _fields(data)
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if 100 <= status < 200 and status != 101 and not lengths and not codings:
        return parse(data, head_only=head_only)
    if not 200 <= status <= 599 or len(lengths) + len(codings) > 1 or (codings and match[1] == b"0"):
        raise Malformed("framing")
    if codings and codings != [b"chunked"]:
        raise Malformed("coding")
    if lengths and not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        raise Malformed("length")
    if head_only or status == 304 or (status == 204 and not lengths and not codings):
        return Message(status, headers, b"", data)
    if codings:
        return Message(status, headers, *_chunked(data))
    if not lengths or status == 204 or len(data) < int(lengths[0]):
        raise Malformed("no end")
    return Message(status, headers, data[: int(lengths[0])], data[int(lengths[0]) :])


def _line(data: bytes) -> tuple[bytes, bytes]:
    line, end, rest = data.partition(b"\r\n")
    if not end:
        raise Malformed("an unfinished line")
    return line, rest


def _fields(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    headers: list[tuple[bytes, bytes]] = []
    while True:
        line, data = _line(data)
        if not line:
            return headers, data
        match = _FIELD.fullmatch(line)
        if match is None:
            raise Malformed(line)
        headers.append((match[1].lower(), match[2].strip(b" \t")))


def _chunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, data = _line(data)
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Malformed(line)
        size = int(match[1], 16)
        if not size:
            trailers, data = _fields(data)
            if any(name == b"content-length" for name, _ in trailers):
                raise Malformed("a length in the trailers")
            return body, data
        if data[size : size + 2] != b"\r\n":
            raise Malformed("a chunk without its end")
        body, data = body + data[:size], data[size + 2 :]
