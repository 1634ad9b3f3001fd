"""TLS end: whether the service ended the stream, or somebody on the way cut it.

Rule: a body without a length ends with the connection. Over TLS that end counts only with the
service's signed word for it (`close_notify`); a mere TCP FIN can be sent by anybody on the way, and
would pass a truncated body off as a whole one. asyncio reports both alike, so the TLS layer is asked.

Source: RFC 9112 section 9.8.
"""

from __future__ import annotations

import asyncio
import ssl


def ended_by_service(transport: asyncio.BaseTransport | None) -> bool:
    """Whether an end of stream on `transport` can be trusted; without TLS there is nothing to ask."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
