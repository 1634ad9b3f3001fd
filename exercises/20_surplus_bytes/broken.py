"""A kept connection to a service, without its socket: bytes go in, answers come out."""

from __future__ import annotations

from api_gateway import Headers, Response
from api_gateway.core.upstream_errors import UpstreamProtocolError


class Connection:
    """One request at a time, then the next, as long as it is `usable`. Bodies are framed by Content-Length only.

    The pool's promise: it calls `begin` only if `usable`, and closes the connection as soon as it is not.
    """

    def __init__(self) -> None:
        self.usable = True
        self._method = ""  # of the request that waits for its answer; empty if none does
        self._received = b""

    def begin(self, method: str) -> None:
        """A request was sent."""
        self._method = method

    def receive(self, data: bytes) -> Response | None:
        """Bytes came from the service: the answer if it is complete now, else None.

        Raises:
            UpstreamProtocolError: this is no HTTP.
        """
        self._received += data
        if not self._method:
            return None
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        status, headers = _parsed(head)
        length = int(headers.get("content-length") or "0")
        if self._method == "HEAD" or status in (204, 304):
            length = 0
        if len(rest) < length:
            return None
        self._received = rest[length:]
        self._method = ""
        return Response(status, headers, rest[:length])


def _parsed(head: bytes) -> tuple[int, Headers]:
    first, *lines = head.split(b"\r\n")
    try:
        version, status, *_ = first.split(b" ")
        if version != b"HTTP/1.1":
            raise ValueError(version)
        pairs = [line.split(b":", 1) for line in lines]
        return int(status), Headers([(name, value.strip()) for name, value in pairs])
    except ValueError as error:
        raise UpstreamProtocolError(f"not an answer: {first[:40]!r}") from error
