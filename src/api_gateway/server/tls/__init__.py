"""TLS at the listener: from a socket that was accepted to a connection that `EdgeProtocol` can serve.

Reading order: `acceptor.py` (accept, first byte, handshake, bounds), `handshake.py` (why one fails),
`listener_context.py` (what is spoken), `certificate.py` and `certificate_store.py` (which certificate),
`listener_certificates.py` (rotation), `peer_certificate.py` (mTLS), `patient_transport.py` (the end),
`redirect.py`, `expiry.py`.
"""
