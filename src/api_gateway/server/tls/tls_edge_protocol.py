"""TLS edge protocol: a client connection that came through a TLS handshake.

What it does not do: encrypt. The event loop does; to the protocol the bytes are as plain as ever.
"""

from __future__ import annotations

import asyncio

from api_gateway.server.edge_protocol import EdgeProtocol
from api_gateway.server.tls.patient_transport import PatientTransport


class TlsEdgeProtocol(EdgeProtocol):
    """`EdgeProtocol`, and the end of TLS."""

    _patient: PatientTransport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a server's always is
        self._patient = PatientTransport(transport, self.loop)
        super().connection_made(self._patient)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._patient.ended()
