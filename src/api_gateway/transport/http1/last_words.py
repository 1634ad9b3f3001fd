"""Last words: what a service said before it closed the connection on our upload.

Rule: a service may refuse an upload without reading it (413) and close at once. The bytes still
under way then meet a closed socket, and a reset comes back; the refusal lies in our socket, unread.
Event loops report the failed write and forget about reading (asyncio half of the time, uvloop
rarely). It is read here, so that the client gets the service's 413 and not a 502. The socket is
still open when `connection_lost` is called; both loops close it afterwards.

Source: RFC 9112 section 9.6, on the same race seen from the server.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

_PIECE = 65536


def last_words(transport: asyncio.Transport | None) -> Iterator[bytes]:
    """What lies unread in the socket of a broken connection; nothing with TLS, which would be ciphertext."""
    if transport is None or transport.get_extra_info("ssl_object") is not None:
        return
    descriptor = transport.get_extra_info("socket").fileno()
    try:
        while piece := os.read(descriptor, _PIECE):
            yield piece
    except OSError:
        return  # read to the end, or the reset itself
