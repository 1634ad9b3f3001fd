"""Consistent hash: the same key to the same endpoint, as long as it is there and not overrun.

Rule: every endpoint has 128 points for each unit of weight on a ring of 2^64 places, hashed from its URL. A key
is hashed to a place, and the next point clockwise says whose it is. An endpoint that has its fair share times
`load_factor` in flight already is passed over.
Bound: when an endpoint leaves, the keys that were its move and no other (about 1/n); when one comes, keys move to
it and nowhere else. Shares differ by about 1/sqrt(128) = 9 % (standard deviation). No choice brings an endpoint above
ceil(load_factor * (total + 1) * weight / weights), with `total` requests in flight: so a key that everybody
asks for cannot overrun one endpoint.
Cost: O(log(128 n)) a choice, and a walk past full endpoints, of 1 / (load_factor - 1)^2 steps or so; O(128 n log n)
when members change. A unit of weight takes about 7 KB and 0.1 ms, so keep weights small: 1 and 5, not 100 and 500.

The hash is BLAKE2, so that all gateways agree, in every process and version; Python's own `hash` differs between
two processes. Weights are read when the membership changes.

Wrong choice: where endpoints hold nothing worth coming back to: the load is less even than with any other policy.
Where a client chooses the key (a header, a path) it also chooses the endpoint; the bound on loads is what is left.

What it does not do: keep sessions for certain. It is a preference: for what must not be lost use a shared store.

Source: D. Karger et al., "Consistent hashing and random trees", STOC 1997; V. Mirrokni, M. Thorup and M. Zadimoghaddam,
"Consistent hashing with bounded loads", SODA 2018.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import ceil
from operator import itemgetter
from typing import TypeAlias

from api_gateway.backend.endpoint import Endpoint, watch_instead
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Facts

HashKey: TypeAlias = Callable[[Request, RequestContext], str]
"""What is hashed: requests with the same go to the same endpoint."""

POINTS = 128
"""Points on the ring for each unit of weight."""

_PLACE = 8  # bytes
_DIGEST = 64  # bytes: one hash gives eight places


def by_client_address(request: Request, context: RequestContext) -> str:
    """The client's address, as far as trusted proxies vouch for it; empty in-process."""
    return context.client_address


def by_path(request: Request, context: RequestContext) -> str:
    """The path, without the query."""
    return request.path


def by_header(name: str) -> HashKey:
    """The header's first value; for requests without it, the client's address, so that they do not all meet."""

    def key(request: Request, context: RequestContext) -> str:
        return request.header(name) or context.client_address

    key.__name__ = f"by_header_{name}"
    return key


class ConsistentHashLoadBalancer:
    """Takes the endpoint that a key belongs to, or the next one that has room."""

    __slots__ = ("_in_flight", "_key", "_load_factor", "_members", "_owners", "_places", "_weights")

    def __init__(self, key: HashKey = by_client_address, *, load_factor: float = 1.25) -> None:
        """Build an empty ring.

        Args:
            key: what is hashed of a request.
            load_factor: how much more than its share an endpoint may have in flight: 1.25 is a quarter more.

        Raises:
            ValueError: the factor is not above 1.
        """
        if not load_factor > 1:
            raise ValueError(f"load_factor must be above 1, not {load_factor}")
        self._key = key
        self._load_factor = load_factor
        self._members: Sequence[Endpoint] = ()
        self._places: list[int] = []
        self._owners: list[Endpoint] = []
        self._weights = 0
        self._in_flight = 0

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The first endpoint with room from the key's place on."""
        if endpoints is not self._members:
            self._change_members(endpoints)
        owners = self._owners
        position = bisect_left(self._places, _place(self._key(request, context)))
        # Of one endpoint's weight; ceil() of it, but for the last digit of a float, is the bound.
        share = self._load_factor * (self._in_flight + 1) / self._weights
        # `in_flight < ceil(x)` is `in_flight < x` for whole numbers. Somebody has room: the shares exceed the total.
        while True:
            endpoint = owners[position % len(owners)]
            if endpoint.in_flight < share * endpoint.weight:
                return endpoint
            position += 1

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """Whose the key is, who may have how many in flight, and who is next because others are full.

        The key itself is not told: it may be a header that proves who is calling.
        """
        same = endpoints is self._members
        places, owners = (self._places, self._owners) if same else _ring_of(endpoints)
        in_flight = sum(endpoint.in_flight for endpoint in endpoints)
        share = self._load_factor * (in_flight + 1) / sum(endpoint.weight for endpoint in endpoints)
        first = bisect_left(places, _place(self._key(request, context))) % len(owners)
        in_order = dict.fromkeys([*owners[first:], *owners[:first]])
        return {
            "key": getattr(self._key, "__name__", "of its own").replace("_", " "),
            "owner": owners[first].url,
            "next": next(each.url for each in in_order if each.in_flight < share * each.weight),
            "limit": {endpoint.url: ceil(share * endpoint.weight) for endpoint in endpoints},
        }

    def _change_members(self, endpoints: Sequence[Endpoint]) -> None:
        watch_instead(self._load_changed, self._members, endpoints)
        self._members = endpoints
        self._in_flight = sum([endpoint.in_flight for endpoint in endpoints])
        self._weights = sum([endpoint.weight for endpoint in endpoints])
        self._places, self._owners = _ring_of(endpoints)

    def _load_changed(self, endpoint: Endpoint, change: int) -> None:
        self._in_flight += change


def _ring_of(endpoints: Sequence[Endpoint]) -> tuple[list[int], list[Endpoint]]:
    """The places on the ring, in order, and whose each is."""
    # Should two points fall on one place, the URL decides, whatever the order of the list.
    points = [(place, endpoint.url, endpoint) for endpoint in endpoints for place in _points(endpoint)]
    ring = sorted(points, key=itemgetter(0, 1))
    return [place for place, _, _ in ring], [endpoint for _, _, endpoint in ring]


def _points(endpoint: Endpoint) -> list[int]:
    places: list[int] = []
    for number in range(POINTS * endpoint.weight * _PLACE // _DIGEST):
        digest = blake2b(f"{endpoint.url} {number}".encode(), digest_size=_DIGEST).digest()
        places += [int.from_bytes(digest[start : start + _PLACE], "big") for start in range(0, _DIGEST, _PLACE)]
    return places


def _place(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_PLACE).digest(), "big")
