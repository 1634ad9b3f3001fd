"""Handshake: why one fails, said to the client and to the log.

Rule: when a handshake fails, the TLS library leaves an alert for the client, such as `certificate_required`. Event
loops close without sending it, and the client is left with a connection that ended for no reason. Here the first
failure only asks the loop for more input: the loop sends the alert, and waits. Whoever started the handshake
(`acceptor.py`) has heard of the failure and ends it a moment later.

What it does not do: retry. A handshake that has failed stays so.

Source: RFC 8446 section 6.2. asyncio's and uvloop's `SSLProtocol._do_handshake`.
"""

from __future__ import annotations

import logging
import ssl
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol

_log = logging.getLogger("api_gateway.tls")


class Refused(Protocol):
    """What the one who started a handshake wants to hear."""

    def __call__(self, error: ssl.SSLError) -> object:
        """It has failed."""
        ...


ON_FAILURE: ContextVar[Refused] = ContextVar("ON_FAILURE")
"""Set by whoever starts a handshake; the event loop drives it in a copy of that context."""


class ListenerConnection(ssl.SSLObject):
    """The TLS side of one client connection."""

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """See `ssl.SSLObject.do_handshake`."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            told = ON_FAILURE.get(None)
            if told is None:
                raise
            self._failure = error
            told(error)
            raise ssl.SSLWantReadError from None


def log_unreadable_names() -> None:
    """From now on a server name that is not ASCII is one line in this process's log.

    Python decodes the name before it calls us, and prints a traceback where it cannot; the handshake fails anyway.
    """
    previous: Callable[[sys.UnraisableHookArgs], object] = sys.unraisablehook

    def hook(problem: sys.UnraisableHookArgs, /) -> None:
        if isinstance(problem.exc_value, UnicodeDecodeError) and isinstance(problem.object, bytes):
            _log.info("a client asks for a server name that is not ASCII")
        else:
            previous(problem)

    sys.unraisablehook = hook
