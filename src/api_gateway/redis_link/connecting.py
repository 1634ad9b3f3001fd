"""Connecting: from a URL to a connection that is known to work.

Rule: the library connects, encrypts, authenticates and chooses the database; what its URL says of them holds.
Then the server is asked to run a script that writes, because that is what it will be needed for: one that
lacks the right, is a read-only replica, or has no memory left answers a PING as well as any.

The URL: redis://, rediss:// (TLS, verified against the system's authorities), unix://; with user, password and
database, and the library's options of a connection behind `?`. It may hold a password, so it is never shown:
`ServerAddress.shown` is.

What it does not do: follow a cluster's redirections, or ask sentinels where the master is. The name in the URL
has to lead to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias, cast

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, parse_url
from redis.exceptions import RedisError

from api_gateway.redis_link.request import StoreFailed

_PROBE = "return redis.call('SET', KEYS[1], '1', 'PX', 1000)"
_Make: TypeAlias = Callable[..., AbstractConnection]
_OURS = frozenset({"socket_timeout", "socket_connect_timeout", "protocol", "decode_responses", "encoding"})


class ServerAddress:
    """Where the server is, and how to be let in."""

    __slots__ = ("_class", "_options", "_secure", "shown")

    def __init__(self, url: str) -> None:
        """Read the URL.

        Raises:
            ValueError: it is none, or has options that are not known.
        """
        try:
            options: dict[str, object] = {**parse_url(url)}
            self._secure = options.get("connection_class") is SSLConnection
            self._class = cast("_Make", options.pop("connection_class", Connection))
            self._options = {name: value for name, value in options.items() if name not in _OURS}
            self._make()
        except (ValueError, TypeError, RedisError):
            # Nothing of the URL, and not the error either: both may hold the password.
            raise ValueError(
                "the store's address is not a usable URL: it must be redis://[[user]:password@]host[:port][/database], "
                "rediss:// or unix://, and only with options that the library knows"
            ) from None
        self.shown: str = self._shown()
        """The address, without what is secret."""

    async def connect(self, probe_key: str, timeout: float) -> AbstractConnection:
        """A connection on which scripts run and may write.

        Raises:
            StoreFailed: there is none within `timeout` seconds; the text says why.
        """
        connection = self._make()
        try:
            async with asyncio.timeout(timeout):
                await connection.connect_check_health()
                await connection.send_command("EVAL", _PROBE, 1, probe_key)
                await connection.read_response()
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if not isinstance(error, Exception):
                raise
            raise StoreFailed(str(error) or f"no connection within {timeout:g} s") from None
        return connection

    def _make(self) -> AbstractConnection:
        # No timeout of the library's: a link reads all the time, and has one of its own for requests.
        return self._class(**self._options, socket_timeout=None, protocol=2)

    def _shown(self) -> str:
        options = self._options
        if "path" in options:
            return f"unix://{options['path']}"
        scheme = "rediss" if self._secure else "redis"
        host, port, database = options.get("host", "localhost"), options.get("port", 6379), options.get("db", 0)
        return f"{scheme}://{host}:{port}/{database}"
