"""Places: what requests hold of `concurrency` limits in the shared store until they are finished.

Rule: a place is a member of a sorted set, leased until a time on the server's clock. The gateway that holds it
renews it, all of them together every third of a lease, and gives it back when its request is finished. If the
gateway dies, its places are free when their lease is over. After an outage all places that are held are told
again, and all that should have been given back meanwhile are: so a server that lost its data learns who is in.

Bound: L in flight, as long as every gateway reaches the server at least once in a lease. Where one does not, its
places are given to others though its requests still run: at most L more for each lease of the outage. A place
that nobody needs, because the caller was cancelled or the link lost before the answer, is given back as soon as
there is a link; if that comes before a stalled server's own late answer, it is free when its lease is over.
Memory: one entry for each place that is held or owed.

What it does not do: decide. `concurrency.lua` does.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from api_gateway.redis_link.link import Link
from api_gateway.redis_link.resp import bulks, command
from api_gateway.redis_link.script import Script

_TOLD_AT_ONCE = 500  # places in one command: it must not keep the server from others for long
_RENEWALS = 3  # in a lease


class Place(NamedTuple):
    """What one request holds of one limit."""

    key: bytes
    holder: str
    cost: int

    @property
    def members(self) -> list[str]:
        """What stands for it in the sorted set, as `concurrency.lua` writes it."""
        return [f"{self.holder}:{number}" for number in range(1, self.cost + 1)]


class Places:
    """The places of one gateway."""

    __slots__ = ("_count", "_held", "_lease", "_link", "_name", "_owed", "_renew", "_timer")

    def __init__(self, lease: float, renew: Script, link: Callable[[], Link | None]) -> None:
        """A place is leased for `lease` seconds; `link` gives the link to the server, if there is one.

        Raises:
            ValueError: the lease is not a duration.
        """
        if not 0 < lease < math.inf:
            raise ValueError(f"the lease of a place must be a positive number of seconds, not {lease!r}")
        self._lease = lease
        self._renew = renew
        self._link = link
        self._name = secrets.token_hex(8)  # no other gateway has it
        self._count = 0
        self._held: dict[Place, None] = {}
        self._owed: dict[Place, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are held, and how many have to be given back when there is a link."""
        return len(self._held) + len(self._owed)

    def new_holder(self) -> str:
        """A name for the places of one request."""
        self._count += 1
        return f"{self._name}-{self._count}"

    def hold(self, places: Sequence[Place]) -> Callable[[], None]:
        """Renew `places` until the function that is returned is called; again is fine."""
        for place in places:
            self._held[place] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._lease / _RENEWALS, self._renew_all)

        def release() -> None:
            self.give_back([place for place in places if place in self._held])
            for place in places:
                self._held.pop(place, None)

        return release

    def give_back(self, places: Iterable[Place]) -> None:
        """Free `places`, now or when there is a link; behind the asking for them, if that is still under way."""
        link = self._link()
        for place in places:
            if link is None or link.lost:
                self._owed[place] = None
            else:
                link.tell(b"", None, command("ZREM", place.key, *place.members))

    def come_up(self, link: Link) -> None:
        """Tell a server that is there again what is held, and what no longer is."""
        owed, self._owed = self._owed, {}
        self._tell(link, self._held)
        for place in owed:
            link.tell(b"", None, command("ZREM", place.key, *place.members))

    def close(self) -> None:
        """Free all that is held, if there is a link, and stop renewing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, {}
        self.give_back(held)
        self._owed.clear()

    def _renew_all(self) -> None:
        self._timer = None
        if not self._held:
            return
        link = self._link()
        if link is not None:
            self._tell(link, self._held)
        self._timer = asyncio.get_running_loop().call_later(self._lease / _RENEWALS, self._renew_all)

    def _tell(self, link: Link, places: Iterable[Place]) -> None:
        lease = math.ceil(self._lease * 1e6)
        for key, group in groupby(sorted(places), key=lambda place: place.key):
            members = [member for place in group for member in place.members]
            for start in range(0, len(members), _TOLD_AT_ONCE):
                some = members[start : start + _TOLD_AT_ONCE]
                head = b"*%d\r\n" % (len(some) + 5)
                link.tell(head, self._renew, bulks(1, key, lease, *some))
