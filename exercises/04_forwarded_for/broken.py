"""Who the client is, as most code finds it: the first entry of X-Forwarded-For."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from api_gateway import Request


def client_address(request: Request, peer: str, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The client's address.

    Args:
        request: may have come through proxies, each of which appended the address of its own peer.
        peer: who is at the other end of our connection.
        trusted: where our own proxies are.
    """
    chain = request.headers.tokens("x-forwarded-for")
    return chain[0] if chain else peer
