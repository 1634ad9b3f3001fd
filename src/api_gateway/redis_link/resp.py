"""RESP: how a command looks on the wire, in pieces that are made once and used for every request.

Rule: a command is an array of bulk strings: how many there are, then each with its length before it. So
nothing in a key needs escaping, and nothing in it can end a command.

What it does not do: read replies. The library does, in C where hiredis is installed.

Source: the Redis serialization protocol specification, RESP2.
"""

from __future__ import annotations


def bulk(part: bytes) -> bytes:
    """One argument."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def bulks(*parts: bytes | str | int) -> bytes:
    """Several arguments; text and numbers as they are written."""
    return b"".join(bulk(part if isinstance(part, bytes) else str(part).encode()) for part in parts)


def command(*parts: bytes | str | int) -> bytes:
    """A whole command."""
    return b"*%d\r\n%b" % (len(parts), bulks(*parts))
