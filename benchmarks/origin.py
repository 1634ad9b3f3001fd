"""Origin: the service behind every proxy that is measured. One fixed JSON answer, as fast as Python goes.

    python -m benchmarks.origin PORT

Rule: it must never be the bottleneck, so it does not parse: each blank line that arrives is the
end of one request and gets one answer. That is enough for requests without a body, which is all
a benchmark sends.

What it does not do: speak HTTP to anyone else.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

BODY = (
    b'{"id":42,"name":"Ada Lovelace","email":"ada@example.com","tier":"gold",'
    b'"address":{"city":"London","zip":"W"},"tags":["a","b","c"],"active":true,"n":1}'
)
"""150 bytes of JSON."""

ANSWER = b"HTTP/1.1 200 OK\r\nserver: origin\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)

_END_OF_HEAD = b"\r\n\r\n"


class OriginProtocol(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._left_over = b""

    def data_received(self, data: bytes) -> None:
        if self._left_over:
            data = self._left_over + data
        requests = data.count(_END_OF_HEAD)
        end = data.rfind(_END_OF_HEAD) + len(_END_OF_HEAD) if requests else 0
        self._left_over = data[end:]
        if requests:
            self._transport.write(ANSWER * requests)


async def serve(port: int) -> None:
    """Answer on a loopback port until cancelled."""
    server = await asyncio.get_running_loop().create_server(OriginProtocol, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    from benchmarks.event_loop import run

    run(serve(int(sys.argv[1])))
