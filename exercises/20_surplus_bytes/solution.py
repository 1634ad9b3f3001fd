"""The fix: a connection is used again only after an exchange in perfect order; any doubt closes it.

Why: the only thing that says where an answer begins is where the one before it ended. If there is one byte too many,
the two sides disagree about that, and no later byte can be trusted: dropping the surplus that is here leaves the
surplus that is still coming. A byte that comes when nobody has asked is the same thing seen later. An answer that
announces a body where there must be none (204), two lengths that differ, or an error in the grammar leave the same
doubt.

What it costs: a new connection, and its handshake, for each such exchange, which a service that is in order never
causes; so count them. What it cannot do: surplus that arrives after the next request was sent looks like its answer.
The package looks at the socket once more before it takes a connection from the pool, which leaves the width of a hair,
and only a connection for each request, or HTTP/2 with its numbered streams, leaves nothing.
"""

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
        self.usable = False

    def receive(self, data: bytes) -> Response | None:
        """Bytes came from the service: the answer if it is complete now, else None.

        Raises:
            UpstreamProtocolError: this is no HTTP.
        """
        if not self._method:
            self.usable = False
            return None
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        status, headers = _parsed(head)
        lengths = set(headers.get_all("content-length"))
        if len(lengths) > 1 or not all(length.isascii() and length.isdigit() for length in lengths):
            raise UpstreamProtocolError(f"nobody can tell how long the body is: {sorted(lengths)}")
        length = int(lengths.pop()) if lengths else 0
        doubtful = status == 204 and length > 0
        if self._method == "HEAD" or status in (204, 304):
            length = 0
        if len(rest) < length:
            return None
        self._method, self._received = "", b""
        self.usable = len(rest) == length and not doubtful
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
