"""Acceptor: accepts connections, and hands on those whose TLS handshake succeeds.

    accept -> first byte -> handshake -> connection_made of the protocol

Rule: each connection takes the context that is current when it begins, so a rotation needs no new listener, and
those that are open do not notice. Everything before the first request has one deadline, counted from accept.

Bound: `MOST_HANDSHAKES` at once. When one more comes, the oldest gives way, as in a SYN queue: a thousand clients
that say nothing cannot keep out one that does. A failed handshake is one line in the log, at level info, because
every scanner on the internet causes some; one that ends without a word, as a load balancer's probe does, is none.

Why not `loop.create_server(ssl=...)`: it takes one context for ever, says nothing of failures, and has no bound.

What it does not do: limit connections after their handshake.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial

from api_gateway.server.tls.first_byte import answer_in_plain, first_byte, is_tls
from api_gateway.server.tls.handshake import ON_FAILURE

MOST_HANDSHAKES = 1000
"""Connections that may be between accept and the end of their handshake."""
ALERT_TIME = 1.0
"""Seconds in which a client may take the alert that says why its handshake failed."""
LONGEST_END = 600.0
"""Seconds in which a connection that ends must be flushed; most end sooner (`patient_transport.py`)."""
MOST_LINES = 100
"""Lines of failed handshakes a second; the rest are only counted."""
_PAUSE = 0.5

_log = logging.getLogger("api_gateway.tls")


class TlsAcceptor:
    """The connections of one listening socket that are not yet anybody else's."""

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        protocol: Callable[[], asyncio.Protocol],
        handshake_timeout: float,
    ) -> None:
        """`context` is asked for each connection."""
        self.failures = 0
        """Handshakes that did not succeed, plain HTTP included."""
        self._context = context
        self._protocol = protocol
        self._timeout = handshake_timeout
        self._accepting: asyncio.Task[None] | None = None
        # With each task the socket that nobody closes unless the task begins.
        self._handshakes: dict[asyncio.Task[None], socket.socket | None] = {}
        self._second = self._lines = 0

    @property
    def handshakes(self) -> int:
        """How many go on."""
        return len(self._handshakes)

    def start(self, listener: socket.socket) -> None:
        """Accept from `listener`, which stays the caller's."""
        self._accepting = asyncio.create_task(self._accept(listener))

    async def close(self) -> None:
        """Accept no more, and end the handshakes that go on: none of them has asked for anything yet."""
        tasks = [*self._handshakes, *([self._accepting] if self._accepting else ())]
        self._accepting = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError as error:  # most likely no more file descriptors: time helps, trying again does not
                _log.error("cannot accept connections: %s", error.strerror)  # not a defect
                await asyncio.sleep(_PAUSE)
                continue
            if len(self._handshakes) >= MOST_HANDSHAKES:
                next(iter(self._handshakes)).cancel()
            task = loop.create_task(self._admit(connection, str(address[0]) if address else "-"))
            self._handshakes[task] = connection
            task.add_done_callback(self._ended)
            await asyncio.sleep(0)  # others have work, too, while the queue is not empty

    async def _admit(self, connection: socket.socket, address: str) -> None:
        reason: list[str] = []
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._handshakes[task] = None

        def refused(error: ssl.SSLError) -> None:
            reason.append(_in_words(error))
            loop.call_later(ALERT_TIME, task.cancel)

        loop = asyncio.get_running_loop()
        ON_FAILURE.set(refused)
        try:
            async with asyncio.timeout(self._timeout):
                await self._shake_hands(connection)
        except TimeoutError:
            self._failed(address, reason or ["it took too long"])
        except _SaidNothing:
            pass
        except ssl.SSLError as error:
            self._failed(address, reason or [_in_words(error)])
        except OSError as error:
            self._failed(address, reason or [error.strerror or "the client left"])
        except asyncio.CancelledError:
            self._failed(address, reason or ["it was given up for newer ones, or for the end"])
            raise

    async def _shake_hands(self, connection: socket.socket) -> None:
        ours = True
        try:
            byte = await first_byte(connection)
            if not byte:
                raise _SaidNothing
            if not is_tls(byte):
                answer_in_plain(connection)
                raise ConnectionAbortedError(0, "this is not TLS")
            ours = False
        finally:
            if ours:
                connection.close()
        await asyncio.get_running_loop().connect_accepted_socket(
            partial(self._protocol),
            connection,
            ssl=self._context(),
            ssl_handshake_timeout=self._timeout + 1.0,  # never the first: it would not say that it was one
            ssl_shutdown_timeout=LONGEST_END,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        connection = self._handshakes.pop(task)
        if connection is not None:
            connection.close()

    def _failed(self, address: str, reason: list[str]) -> None:
        self.failures += 1
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= MOST_LINES:
            _log.info("no TLS with %s: %s", address, reason[0])


class _SaidNothing(ConnectionError):
    """A connection that ended before its first byte."""


def _in_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate was refused: {error.verify_message}"
    return (error.reason or "the handshake failed").lower().replace("_", " ")
