"""Forwarded: who the client is, and what the services are told about it.

Rule: what a header says about the client is believed only from `trusted_proxies`. Everybody else
could write anything, so their `X-Forwarded-*`, `Forwarded` and `X-Real-IP` are dropped and ours
are set from the connection.

From a trusted peer the chain is read from the right, the end that our own proxies wrote: past
trusted addresses to the first untrusted one, which is the client. Further left is what that
client wrote itself. An entry that is no address ends the walk at the hop before it. Of
`Forwarded` and `X-Forwarded-For` a proxy usually writes one and passes the other on as the client
sent it; so if both are there and differ on the client or the scheme, neither is believed, and
the client is the peer.

| sent on         | from a trusted peer                      | otherwise                 |
|-----------------|------------------------------------------|---------------------------|
| X-Forwarded-For | what came, and the peer                  | the peer                  |
| X-Forwarded-Proto | the believed scheme                    | the connection's          |
| X-Forwarded-Host | what came, else Host                    | Host                      |
| Forwarded       | what came, and an element for the peer   | an element for the peer   |
| X-Real-IP       | never: it has no chain, so nobody can tell who wrote it              ||

A chain that came in one of the two notations only is continued in the other with the client.

In-process there is no connection, and whoever calls is the program itself: nothing is added or
dropped. A connection without an address (a Unix socket) is an untrusted peer named `unknown`.

Cost: one pass over the headers, and one cached look-up of the peer if any proxy is trusted: about
2 us for ten headers of an untrusted peer (`python -m benchmarks pipeline`), 7 us from a proxy.

What it does not do: interpret the other `X-Forwarded-*` (they pass from trusted peers), or route
by the forwarded host.

Source: RFC 7239; MDN and nginx `realip` for the X- names, which no RFC defines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from functools import lru_cache

from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.addresses import TrustedNetworks
from api_gateway.middleware.forwarded_header import LONGEST_WALK, Hop, element, hops, known_scheme, node

# The first bytes tell: every x-forwarded-* name, known or not, shares them.
_DISTINCTIVE = len(b"x-forwarded")
_CLAIMS = frozenset({b"x-forwarded", b"forwarded", b"x-real-ip"})
_REWRITTEN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"x-real-ip"})
_LONGEST_HOST = 255 + len(":65535")  # of a DNS name; anything longer is none, and is not stated


class ForwardedMiddleware:
    """Establishes `context.client_address` and `context.scheme`; tells the services."""

    __slots__ = ("_trusted",)

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """`trusted_proxies` are addresses or CIDR blocks.

        Raises:
            ConfigurationError: one of them is neither.
        """
        self._trusted = TrustedNetworks(trusted_proxies)

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Hand on the request with headers that can be believed."""
        peer = context.peer_address
        if not peer and not context.http_version:
            return call_next(request, context)
        if self._trusted and peer in self._trusted:
            headers = self._from_trusted(request.headers, context)
        else:
            others, host, _ = _separated(request.headers)
            headers = _stated(others, host, peer, context.scheme)
        return call_next(request.with_headers(headers), context)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """Who is connected, and whether that one's word about the client is believed."""
        peer = context.peer_address
        return {"peer": peer or None, "trusted": bool(self._trusted) and peer in self._trusted}

    def _from_trusted(self, headers: Headers, context: RequestContext) -> Headers:
        """Read the chain into `context`, continue it by the peer."""
        peer, connection_scheme = context.peer_address, context.scheme
        pairs, host, claims = _separated(headers)
        chain, elements = _joined(claims, b"x-forwarded-for"), _joined(claims, b"forwarded")
        said_scheme = known_scheme(_joined(claims, b"x-forwarded-proto").rpartition(",")[2].strip())
        client, element_scheme = self._walk(hops(elements), peer) if elements else (peer, None)
        if chain:
            client_by_standard = client
            client, _ = self._walk(_named_hops(chain), peer)
            if elements and client != client_by_standard:
                return _stated(pairs, host, peer, connection_scheme)
        if said_scheme and element_scheme and said_scheme != element_scheme:
            return _stated(pairs, host, peer, connection_scheme)
        context.client_address = client
        context.scheme = said_scheme or element_scheme or connection_scheme
        if client != peer:
            chain = chain or client
            elements = elements or f"for={node(client)};proto={context.scheme}"
        ours = element(peer, connection_scheme, host)
        pairs = pairs + [pair for pair in claims if pair[0] not in _REWRITTEN]
        pairs.append((b"x-forwarded-for", (f"{chain}, {peer}" if chain else peer).encode("latin-1")))
        pairs.append((b"x-forwarded-proto", context.scheme.encode("ascii")))
        if host and not _joined(claims, b"x-forwarded-host"):
            pairs.append((b"x-forwarded-host", host))
        pairs.append((b"forwarded", elements.encode("latin-1") + b", " + ours if elements else ours))
        return Headers.from_pairs(pairs)

    def _walk(self, chain: Iterable[Hop], peer: str) -> tuple[str, str | None]:
        """The client, and its scheme if the hop says so, as far as trusted proxies vouch for it."""
        client: tuple[str, str | None] = (peer, None)
        for entry, scheme in chain:
            address, trusted = self._trusted.judge(entry)
            if address is None:
                break
            client = (address, scheme)
            if not trusted:
                break
        return client


def _separated(headers: Headers) -> tuple[HeaderPairs, bytes, HeaderPairs]:
    """The fields that claim nothing about the client, the host among them, and those that do."""
    pairs = headers.pairs
    host = b""
    for name, value in pairs:
        if name == b"host":
            host = value if len(value) <= _LONGEST_HOST else b""
            break
    names = b" ".join([name for name, _ in pairs])
    if names.find(b"forwarded") < 0 and names.find(b"x-real-ip") < 0:  # `in` takes twice as long
        return pairs, host, []
    claims = [pair for pair in pairs if pair[0][:_DISTINCTIVE] in _CLAIMS]
    return [pair for pair in pairs if pair[0][:_DISTINCTIVE] not in _CLAIMS], host, claims


def _stated(pairs: HeaderPairs, host: bytes, peer: str, scheme: str) -> Headers:
    """`pairs`, and what is known of the connection."""
    return Headers.from_pairs(pairs + _statement(peer, scheme, host))


@lru_cache(maxsize=1024)
def _statement(peer: str, scheme: str, host: bytes) -> HeaderPairs:
    """What this gateway says of a connection; shared, so read-only.

    Remembered because one connection sends many requests, and writing it anew costs as much as
    all the rest of this file.
    """
    pairs: HeaderPairs = [(b"x-forwarded-for", peer.encode("latin-1"))] if peer else []
    pairs.append((b"x-forwarded-proto", scheme.encode("ascii")))
    if host:
        pairs.append((b"x-forwarded-host", host))
    pairs.append((b"forwarded", element(peer, scheme, host)))
    return pairs


def _joined(pairs: HeaderPairs, name: bytes) -> str:
    return b", ".join([value for field, value in pairs if field == name]).decode("latin-1")


def _named_hops(chain: str) -> Iterator[Hop]:
    """The hops in an `X-Forwarded-For` field, last first."""
    for entry in reversed(chain.rsplit(",", LONGEST_WALK)[-LONGEST_WALK:]):
        if stripped := entry.strip():
            yield stripped, None
