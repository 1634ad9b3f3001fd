"""A small HTTP/2 origin over TLS: every request is answered with its path; `/reset` is reset."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events

from tests.support.certificates import server_context


class Http2Origin:
    """Where it is, and what has come."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[list[tuple[str, str]]] = []
        self.bodies: dict[str, bytes] = {}
        """Uploads by path."""


class _Connection(asyncio.Protocol):
    def __init__(self, origin: Http2Origin) -> None:
        self._origin = origin
        self._paths: dict[int, str] = {}
        configuration = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config=configuration)
        origin.connections += 1
        self._number = origin.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = [(str(name), str(value)) for name, value in event.headers]
                self._origin.requests.append(headers)
                self._paths[event.stream_id] = dict(headers)[":path"]
            elif isinstance(event, h2.events.DataReceived):
                path = self._paths[event.stream_id]
                self._origin.bodies[path] = self._origin.bodies.get(path, b"") + event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self._answer(event.stream_id)
        self._transport.write(self._h2.data_to_send())

    def _answer(self, stream: int) -> None:
        path = self._paths[stream]
        if path == "/reset":
            self._h2.reset_stream(stream)
            return
        self._h2.send_headers(stream, [(":status", "200"), ("x-connection", str(self._number))])
        self._h2.send_data(stream, path.encode(), end_stream=True)


@asynccontextmanager
async def http2_origin() -> AsyncIterator[Http2Origin]:
    """An origin that speaks HTTP/2 and nothing else."""
    origin = Http2Origin()
    tls: ssl.SSLContext = server_context()
    tls.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(origin), "127.0.0.1", 0, ssl=tls)
    origin.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield origin
