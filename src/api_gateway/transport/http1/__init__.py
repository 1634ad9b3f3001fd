"""The HTTP/1.1 data plane: our own client on httptools, because the path of every byte runs here.

Reading order: `transport.py` (one request), `connection.py` (one connection's life),
`response_parser.py` (bytes to response), `response_body.py` and `request_body.py` (streaming with
back-pressure), `pool.py` (keep-alive),
`tls_end.py` and `last_words.py` (how connections end).
"""

from api_gateway.transport.http1.transport import Http1Transport

__all__ = ["Http1Transport"]
