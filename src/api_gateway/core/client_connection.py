"""Client connection: what the gateway asks of a connection beyond ASGI.

ASGI lets an application wait for `http.disconnect`, and that is all. A gateway also needs to hear
of it while it does something else, to cut a response, and to let a client finish an upload that
nobody reads. A server offers that as the extension `api_gateway.connection` in the scope (ours
does: `server/edge_protocol.py`); `PlainConnection` makes the best of a server that does not.

Cost of the plain one: a second task for each request, and two writes for each response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

from api_gateway.core.headers import HeaderPairs

# ASGI's own shapes: the specification defines its messages as dictionaries of anything.
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]

CONNECTION_EXTENSION = "api_gateway.connection"


class ClientConnection(Protocol):
    """What a server can tell of, and do to, the client's connection beyond ASGI."""

    def cancel_on_disconnect(self) -> None:
        """Cancel the task that handles the current request if the connection ends before the response does.

        Raises:
            ClientDisconnected: it has ended already.
        """
        ...

    def send_whole(self, status: int, headers: HeaderPairs, body: bytes) -> bool:
        """Send a complete response in one write; False if the connection cannot take it now."""
        ...

    def linger(self) -> None:
        """When the current response is sent, discard what the client still sends, then close."""
        ...

    def abort(self) -> None:
        """Cut the connection so that the client cannot take what it has for the whole body."""
        ...


class PlainConnection:
    """The client's connection on a server that offers no more than ASGI."""

    __slots__ = ("_receive", "_uploading", "_watcher", "disconnected")

    disconnected: bool
    """Whether the client has gone, as far as anybody has seen."""

    def __init__(self, receive: Receive, uploading: bool) -> None:
        self._receive = receive
        self._uploading = uploading
        self.disconnected = False
        self._watcher: asyncio.Task[None] | None = None

    def cancel_on_disconnect(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "an ASGI application runs in a task"
        if not self._uploading:  # else its reader, the only one allowed, sees the disconnect
            self._watcher = asyncio.create_task(self._watch(task.cancel))

    async def _watch(self, callback: Callable[[], object]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.disconnected = True
        callback()

    def stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()

    def send_whole(self, status: int, headers: HeaderPairs, body: bytes) -> bool:
        return False

    def linger(self) -> None:
        pass

    def abort(self) -> None:
        if not self.disconnected:
            raise ConnectionAbortedError("the response was cut short")  # servers close the connection then
