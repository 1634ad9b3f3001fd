"""The fix: the proved identity if there is one, else the network address, of IPv6 the part that a provider gives out.

Why: a limit is worth what it costs to become somebody else. A header costs nothing until it is verified, a port comes
new with each connection, and one IPv6 customer has 2**64 addresses: the /64 is the person. An identity has been proved,
follows its owner from address to address, and does not blame an office for one of its people. The prefix says which
kind of key it is, so that nobody can take a name that looks like an address and share its bucket.

What it costs: identities are known only after authentication, and verifying keys is work that has to be limited, too.
So there are two limits: a coarse one by address before authentication, and this one behind it. Several customers behind
one address still share while they are unknown; a /64 may be a whole student residence. Memory is bounded by those who
have an identity or a network, and a table of keys needs a bound nevertheless.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from api_gateway import Request, RequestContext


def limiter_key(request: Request, context: RequestContext, remote: str) -> str:
    """The key under which a limiter counts this request.

    Args:
        request: as the client sent it.
        context: `context.identity` is who is calling, if authentication has proved it.
        remote: the other end of the connection, such as `203.0.113.9:50312` or `[2001:db8::7]:50312`.
    """
    if context.identity is not None:
        return f"identity:{context.identity.key}"
    address = ip_address(remote.rpartition(":")[0].strip("[]"))
    if not isinstance(address, IPv6Address):
        return f"address:{address}"
    if address.ipv4_mapped is not None:
        return f"address:{address.ipv4_mapped}"
    return f"address:{ip_network((address, 64), strict=False)}"
