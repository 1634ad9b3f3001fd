"""Sockets: where the gateway listens, opened before anything else is started.

Rule: a port that cannot be had is the most common reason why a server does not start, so it is
found out first and said in one line: the address, the cause, the remedy. Port 0 lets the system
choose. A name with several addresses gives the first one that this machine has.

An IPv6 wildcard (`::`) takes IPv4 clients too where the system allows it.

What it does not do: accept. The servers do.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

BACKLOG = 2048
"""Connections that the kernel holds while nobody has accepted them yet."""

_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class CannotListen(Exception):
    """An address that cannot be listened on; `str()` is one line with cause and remedy."""


def listen(host: str, port: int, *, options: str = "--") -> socket.socket:
    """A listening TCP socket, not inherited and not blocking.

    `options` is how the command line's options for this address begin: the remedy names
    `{options}host` or `{options}port`.

    Raises:
        CannotListen: the address is taken, forbidden, not this machine's, or not an address.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise _refusal(where, "the host name cannot be resolved", f"{options}host") from None
    refusal: OSError | None = None
    for family, _, _, _, address in found:
        try:
            return _bound(family, address)
        except OSError as error:
            refusal = refusal or error
            if error.errno not in _NO_SUCH_ADDRESS:
                break
    assert refusal is not None, "getaddrinfo finds an address or raises"
    raise _refusal(where, *_cause(refusal, options)) from None


def listen_unix(path: Path) -> socket.socket:
    """A listening Unix-domain socket at `path`, in the place of an older one."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def base_url(listener: socket.socket, scheme: str = "http") -> str:
    """`http://HOST:PORT` of a listening TCP socket, with the port that it really has."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere this option would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _cause(error: OSError, options: str) -> tuple[str, str]:
    """What is wrong, in words, and the option that mends it."""
    if error.errno == errno.EADDRINUSE:
        return "the address is in use", f"{options}port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "the system does not permit this port", f"{options}port"
    if error.errno in _NO_SUCH_ADDRESS:
        return "this machine has no such address", f"{options}host"
    return (error.strerror or str(error)).lower(), f"{options}host or {options}port"


def _refusal(where: str, cause: str, option: str) -> CannotListen:
    return CannotListen(f"cannot listen on {where}: {cause}; choose another with {option}")
