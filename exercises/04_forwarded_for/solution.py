"""The fix: start at the connection and walk left, as long as the one who vouches is one of ours.

Why: an entry is worth as much as whoever wrote it. The peer's address comes from TCP and cannot be made up. If the peer
is our proxy, the last entry is what *it* saw; if that again is our proxy, the one before is, and so on. The first
address that is not ours is the client, and all further left is what that client sent. Always taking the last entry
works with one proxy and names the inner proxy with two; dropping the header blames the load balancer for everything.

What it costs: somebody has to keep the list of trusted networks right. Too wide, and a client in it writes its own
address; too narrow, and all clients share one proxy's limit. Counting hops ("the second from the right") needs no list,
but breaks in silence on the day when one path has a hop less.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from api_gateway import Request


def client_address(request: Request, peer: str, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The client's address.

    Args:
        request: may have come through proxies, each of which appended the address of its own peer.
        peer: who is at the other end of our connection.
        trusted: where our own proxies are.
    """
    client = peer
    for entry in reversed(request.headers.tokens("x-forwarded-for")):
        if not any(ip_address(client) in network for network in trusted):
            break
        try:
            ip_address(entry)
        except ValueError:
            break  # no address: whoever wrote it, the hop before it is the last that is known
        client = entry
    return client
