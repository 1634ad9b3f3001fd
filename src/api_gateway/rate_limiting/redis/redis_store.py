"""RedisStore: limits that all gateways share, kept in a Redis or Valkey server.

    store = RedisStore("redis://limits.internal:6379/0", limits, on_store_error="local", gateways=4)

Rule: one call of one script decides for all asks of a request and charges all or none, on the server's clock,
before any other call (`several.lua`). What is asked in one tick of the event loop goes out in one write
(`redis_link/link.py`). When there is no server, nobody waits for it: `on_store_error` decides (`fallback.py`).

Bound: that of each algorithm, over all gateways together, for W and a microsecond (`numbers.py`). It does not hold
across what the server forgets: a restart without its data, an eviction, a replica that takes over before it has
all, or a wall clock set back after a key expired. Set `maxmemory-policy noeviction` for a server of limits.
Cost: one round trip; for one ask about 8 us of the server's time, and as much of the gateway's.
A caller that is cancelled is still charged: its question was under way. So is one whose answer came too late.

For /metrics: `outages`, `errors`, `repeated`, `degraded`; see there.

What it does not do: follow a cluster's redirections, or speak to several servers (`redis_link/`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Self

from api_gateway.rate_limiting.all_or_nothing import tightest
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.rate_limiter import new_decision
from api_gateway.rate_limiting.redis.fallback import Fallback, OnStoreError
from api_gateway.rate_limiting.redis.keys import head_of, tail_of
from api_gateway.rate_limiting.redis.numbers import numbers_of
from api_gateway.rate_limiting.redis.places import Place, Places
from api_gateway.rate_limiting.redis.scripts import Scripts
from api_gateway.redis_link.connecting import ServerAddress
from api_gateway.redis_link.hash_tag import check_prefix
from api_gateway.redis_link.linked_store import LinkedStore
from api_gateway.redis_link.request import StoreFailed
from api_gateway.redis_link.resp import bulk, bulks
from api_gateway.redis_link.uplink import Uplink

_log = logging.getLogger("api_gateway.rate_limiting")

DEFAULT_TIMEOUT = 0.25
"""Seconds that a request waits for the server at most."""
DEFAULT_PLACE_LEASE = 30.0
"""Seconds for which a place of `concurrency` is leased: so long a gateway that died keeps its places."""
FIELDS = 5
"""Integers that a script says of each ask."""


class _Packed:
    """What of a limit's questions is always the same."""

    __slots__ = ("_algorithm", "_arguments", "holds", "key_head", "most", "once")

    def __init__(self, prefix: str, limit: Limit, place_lease: float) -> None:
        numbers = numbers_of(limit, place_lease)
        self.most = numbers.most
        self.key_head = head_of(prefix, limit, numbers)
        self.holds = limit.algorithm == "concurrency"
        self._algorithm = bulks(limit.algorithm)
        # The third of `concurrency` is the holder, another one each time.
        self._arguments = bulks(*numbers.arguments[: 2 if self.holds else 3])
        self.once = self._asking(1)
        """For the usual cost of 1."""

    def asking(self, cost: int) -> bytes:
        """What is said of the limit when so much is asked of it."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        return self.once if cost == 1 else self._asking(cost)

    def _asking(self, cost: int) -> bytes:
        return self._algorithm + bulks(cost) + self._arguments


class RedisStore(LinkedStore):
    """A `LimitStore` in a server."""

    def __init__(
        self,
        url: str,
        limits: Iterable[Limit],
        *,
        on_store_error: OnStoreError = "admit",
        gateways: int = 1,
        timeout: float = DEFAULT_TIMEOUT,
        prefix: str = "api-gateway",
        place_lease: float = DEFAULT_PLACE_LEASE,
        scripts: Scripts | None = None,
    ) -> None:
        """Connects at the first request. Stores that share have the same `url`, `prefix` and names of limits.

        `gateways` is how many share, for `local`. `timeout` is in seconds, for one request. `place_lease` is in
        seconds and concerns `concurrency` (`places.py`). `scripts` are others than ours, for tests.

        Raises:
            ValueError: one of them is not what it may be, or two limits have one name.
        """
        if not 0 < timeout < float("inf"):
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        check_prefix(prefix)
        self._scripts = scripts or Scripts()
        self._packed: dict[Limit, _Packed] = {}
        for limit in limits:
            self._packed[limit] = _Packed(prefix, limit, place_lease)
        if len({limit.name for limit in self._packed}) < len(self._packed):
            raise ValueError("two limits of one store must not have the same name")
        self._fallback = Fallback(
            on_store_error, {limit: packed.most for limit, packed in self._packed.items()}, gateways
        )
        self._places = Places(place_lease, self._scripts.renew, lambda: self._uplink.link)
        self._uplink = Uplink(
            ServerAddress(url),
            probe_key=f"{{{prefix}}}:probe",
            timeout=timeout,
            on_up=self._places.come_up,
            name="limit store",
            meanwhile=self._fallback.meanwhile,
            log=_log,
        )
        self._timeout = timeout
        self.degraded = 0
        """Requests that were decided by `on_store_error`."""

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """See `LimitStore.acquire`; `now` is used only where the server is not.

        Raises:
            RuntimeError: the store is closed, or was first used in another event loop.
        """
        if not asks:
            raise ValueError("there must be at least one ask")
        uplink = self._uplink
        uplink.check()
        link = uplink.link or await uplink.first_link()
        body, places = self._question(asks)
        if link is None:
            return await self._without_server(asks, now)
        script = self._scripts.of(*[ask.limit.algorithm for ask in asks])
        answer = link.ask(b"*%d\r\n" % (3 + (1 + FIELDS) * len(asks)), script, body)
        try:
            said = await answer
        except StoreFailed:
            self._places.give_back(places)
            return await self._without_server(asks, now)
        except asyncio.CancelledError:
            self._places.give_back(places)
            raise
        return self._grant(asks, said, places)

    def most(self, limit: Limit) -> int:
        """The most of `limit` that can be admitted at one instant."""
        return self._packed[limit].most

    async def connect(self) -> None:
        """Connect now; not needed, but a start-up that wants to know can ask.

        Raises:
            StoreFailed: the server is out of reach; the text says why, and where it should be.
            RuntimeError: as `acquire`.
        """
        self._uplink.check()
        if await self._uplink.first_link() is None:
            raise StoreFailed(f"limit store {self._uplink.shown}: {self._uplink.why_down}")

    async def close(self) -> None:
        """Give back what is held, and close the connection; again is fine.

        Raises:
            RuntimeError: another event loop runs than the one it was used in.
        """
        self._uplink.check_loop()
        self._places.close()
        await self._uplink.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def _question(self, asks: Sequence[Ask]) -> tuple[bytes, list[Place]]:
        """What stands behind the script in its call, and the places that it would take."""
        keys, fields = b"", b""
        places: list[Place] = []
        for limit, key, cost in asks:
            packed = self._packed[limit]
            name = packed.key_head + tail_of(key)
            keys += bulk(name)
            fields += packed.asking(cost)
            if packed.holds:
                place = Place(name, self._places.new_holder(), cost)
                fields += bulks(place.holder)
                if cost:
                    places.append(place)
        return bulks(len(asks)) + keys + fields, places

    def _grant(self, asks: Sequence[Ask], said: Sequence[int], places: list[Place]) -> Grant:
        decisions = []
        for index, ask in enumerate(asks):
            admitted, remaining, reset, retry, wait = said[index * FIELDS : (index + 1) * FIELDS]
            retry_after = None if retry < 0 else retry * 1000
            most = self._packed[ask.limit].most
            decisions.append(new_decision((admitted == 1, most, remaining, reset * 1000, retry_after, wait * 1000)))
        decision = tightest(decisions) if len(decisions) > 1 else decisions[0]
        release = self._places.hold(places) if places and decision.allowed else None
        return Grant(decision, tuple(decisions), release)

    async def _without_server(self, asks: Sequence[Ask], now: int) -> Grant:
        self.degraded += any(ask.cost for ask in asks)  # whoever only looks is no request
        return await self._fallback.acquire(asks, now)
