"""What the bare proxies share: ASGI's shapes, and which headers a proxy does not pass on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

# ASGI's own shapes: the specification defines its messages as dictionaries of anything.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_NOT_PASSED_ON = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer"})


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields that are not about one connection."""
    return [(name, value) for name, value in headers if name.lower() not in _NOT_PASSED_ON]


def target(scope: Scope) -> str:
    """Path and query as the client sent them."""
    query = scope["query_string"].decode("latin-1")
    path: str = scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path


def has_body(scope: Scope) -> bool:
    """Whether an upload follows."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def upload(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body, chunk by chunk."""
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]
