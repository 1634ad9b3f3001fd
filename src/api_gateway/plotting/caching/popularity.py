"""Popularity: how often a cache of a given size has what is asked for.

Pages are asked for by Zipf's law: the n-th most popular one n^-s as often as the first. Each request is drawn for
itself (the independent reference model), all pages have one size, and nothing runs out.

| line        | is                                                                                           |
|-------------|----------------------------------------------------------------------------------------------|
| least recently used | simulated: what was not asked for the longest has to go                              |
| S3-FIFO     | simulated: the gateway's own table, `caching/s3_fifo.py`                                       |
| Che         | what the first one has by theory                                                             |
| best        | the most popular pages, and nothing else: no table that does not know the future has more     |

Che's approximation: a page that was asked for is thrown out after a time T that is nearly the same for all, because it
is the time in which as many other pages are asked for as there is room. So page i is there with the probability
1 - e^(-p_i T), and T is where these add up to the room.

What it does not do: time, or sizes. Both matter to real caches, and to none of these differently.

Source: H. Che, Y. Tung, Z. Wang, "Hierarchical web caching systems", IEEE JSAC 20(7), 2002; C. Fricker, P. Robert,
J. Roberts, "A versatile and accurate approximation for LRU cache performance", ITC 2012, on why it is so good.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy

from api_gateway.caching.s3_fifo import S3Fifo

Kind: TypeAlias = Literal["least recently used", "S3-FIFO"]


class Pages(Protocol):
    """A table of pages."""

    def has(self, page: int) -> bool:
        """Whether `page` is there; if not, it is from now on, and others give way."""
        ...


class LeastRecentlyUsed:
    """What was not asked for the longest has to go."""

    def __init__(self, room: int) -> None:
        """Keep `room` pages."""
        self._room = room
        self._pages: OrderedDict[int, None] = OrderedDict()

    def has(self, page: int) -> bool:
        """See `Pages`."""
        if page in self._pages:
            self._pages.move_to_end(page)
            return True
        self._pages[page] = None
        if len(self._pages) > self._room:
            self._pages.popitem(last=False)
        return False


class OfTheGateway:
    """The table of the gateway's memory store."""

    def __init__(self, room: int) -> None:
        """Keep `room` pages."""
        self._pages: S3Fifo[int] = S3Fifo(room, lambda _key, _page: None)

    def has(self, page: int) -> bool:
        """See `Pages`."""
        key = str(page)
        if self._pages.get(key) is not None:
            return True
        self._pages.put(key, page, 1)
        return False


TABLES: Mapping[Kind, type[LeastRecentlyUsed] | type[OfTheGateway]] = {
    "least recently used": LeastRecentlyUsed,
    "S3-FIFO": OfTheGateway,
}


def zipf(pages: int, exponent: float) -> list[float]:
    """The probability of each page, the most popular first."""
    weights = [(place + 1) ** -exponent for place in range(pages)]
    total = sum(weights)
    return [weight / total for weight in weights]


def requests(shares: Sequence[float], count: int, seed: int = 1) -> list[int]:
    """So many pages, drawn one by one."""
    random = Random(f"requests {seed}")
    return random.choices(range(len(shares)), cum_weights=list(accumulate(shares)), k=count)


def hit_ratio(table: Pages, asked: Sequence[int]) -> float:
    """The share of requests that found their page; the first third only fills the table."""
    warm = len(asked) // 3
    found = [table.has(page) for page in asked]
    return sum(found[warm:]) / (len(asked) - warm)


def che(shares: Sequence[float], room: int, crawled: float = 0.0) -> float:
    """The hit ratio of a least-recently-used table with this room, by Che's approximation.

    With each request a crawler reads `crawled` pages that nobody wants: in T requests they take crawled * T places.
    """
    p = numpy.asarray(shares)
    low, high = 0.0, 1e12
    for _ in range(100):
        middle = (low + high) / 2 if high < 1e3 else (max(low, 1.0) * high) ** 0.5
        taken = float((-numpy.expm1(-p * middle)).sum()) + crawled * middle
        low, high = (middle, high) if taken < room else (low, middle)
    return float((p * -numpy.expm1(-p * high)).sum())


def best(shares: Sequence[float], room: int) -> float:
    """The hit ratio of a table that has the most popular pages at all times."""
    return sum(sorted(shares, reverse=True)[:room])


class Scan(NamedTuple):
    """A crawler that reads pages nobody else wants, once each, one after every request of a client."""

    start: int
    """After so many requests of clients."""
    pages: int


def ratio_over_time(table: Pages, asked: Sequence[int], scan: Scan, width: int) -> list[float]:
    """The clients' hit ratio in each `width` of their requests; what the crawler finds does not count."""
    found = list(_with_a_scan(table, asked, scan))
    return [sum(found[start : start + width]) / width for start in range(0, len(found) - width + 1, width)]


def _with_a_scan(table: Pages, asked: Sequence[int], scan: Scan) -> Iterator[bool]:
    for number, page in enumerate(asked):
        yield table.has(page)
        if scan.start <= number < scan.start + scan.pages:
            table.has(-1 - number)
