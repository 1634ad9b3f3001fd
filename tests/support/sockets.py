"""Addresses that do not answer."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


def refused_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def full_backlog() -> Iterator[int | None]:
    """A port of 127.0.0.1 where connecting hangs, because nobody accepts; None where that cannot be had."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(16):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
            if not select.select([], [waiting], [], 0.05)[1]:
                yield server.getsockname()[1]
                return
        yield None
