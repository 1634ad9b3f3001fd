"""Theory: what queueing theory and balls in bins say of a balancer, as plain formulas.

All for servers of one worker, service times without memory, 1 s on average, and requests that come independently.

| policy               | model                                  | exact                                   |
|----------------------|----------------------------------------|-----------------------------------------|
| random               | M/M/1 at every server                  | yes                                     |
| round_robin          | E_n/M/1: every n-th arrival            | yes                                     |
| d choices            | the limit of infinitely many servers   | to a few per cent from 20 servers on    |
| d of unlike servers  | the same limit, solved step by step    | likewise                                |
| (nobody is better)   | M/M/n: one queue for all servers       | yes, as a bound                         |

What it does not do: warm up. A simulation begins empty, so leave out its first minutes when you compare.

Source: L. Kleinrock, "Queueing systems", vol. 1, 1975, chapters 3 and 6; M. Mitzenmacher, "The power of two choices in
randomized load balancing", IEEE Transactions on Parallel and Distributed Systems 12(10), 2001.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

_LONGEST_QUEUE = 60
_LENGTHS = range(_LONGEST_QUEUE + 1)


class Expected(NamedTuple):
    """Of the time in the system, in service times."""

    mean: float
    p99: float


def one_choice(load: float) -> Expected:
    """A random server: each is an M/M/1, whose time in the system is exponential."""
    mean = 1 / (1 - load)
    return Expected(mean, mean * math.log(100))


def taking_turns(load: float, servers: int) -> Expected:
    """Round robin: each server meets every n-th arrival, which is more even than chance.

    The time in a G/M/1 is exponential too. Its mean is 1 / (1 - s), where s is the root of s = A(1 - s), and A is the
    Laplace transform of the time between two arrivals at one server.
    """
    rate = load * servers
    root = 0.0
    for _ in range(2_000):
        root = (rate / (rate + 1 - root)) ** servers
    mean = 1 / (1 - root)
    return Expected(mean, mean * math.log(100))


def least_of(draws: int, load: float) -> Expected:
    """The shortest queue of so many that are drawn, with very many servers."""
    # Of those that were drawn, all have at least k.
    joins_at_least = [queue_of_at_least(k, draws, load) ** draws for k in _LENGTHS]
    finds = [more - less for more, less in pairwise(joins_at_least)]

    def slower_than(time: float) -> float:
        return math.fsum(share * _erlang_exceeds(k + 1, time) for k, share in enumerate(finds))

    return Expected(math.fsum(share * (k + 1) for k, share in enumerate(finds)), _p99(slower_than))


def two_of_unlike(kinds: Sequence[tuple[float, float]], rate: float) -> tuple[float, list[float]]:
    """The shorter queue of two that are drawn, where servers differ in speed, with very many servers.

    The share x_k of a kind's servers with at least k requests settles where as many servers come to have k as cease
    to: rate * (x_(k-1) - x_k) * (X_(k-1) + X_k) = speed * (x_k - x_(k+1)), with X of all servers.

    Args:
        kinds: for each kind of server, its share of all, and how many requests it does a second.
        rate: requests a second for each server, on average.

    Returns:
        The mean time in seconds, and for each kind the share of its servers that are busy.
    """
    tails = [[1.0, *[0.0] * _LONGEST_QUEUE] for _ in kinds]
    change, step = 1.0, 0.1
    while change > 1e-9:
        every = [math.fsum(share * tail[k] for (share, _), tail in zip(kinds, tails, strict=True)) for k in _LENGTHS]
        change = 0.0
        for (_, speed), tail in zip(kinds, tails, strict=True):
            for k in _LENGTHS[1:-1]:
                comes = rate * (tail[k - 1] - tail[k]) * (every[k - 1] + every[k])
                moved = step * (comes - speed * (tail[k] - tail[k + 1]))
                tail[k] += moved
                change = max(change, abs(moved))
    return math.fsum(every[1:]) / rate, [tail[1] for tail in tails]


def single_queue(load: float, servers: int) -> Expected:
    """M/M/n: a server never idles while somebody waits. No balancer does better."""
    offered, spare = load * servers, servers - load * servers
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waits = servers * blocked / (servers - offered * (1 - blocked))

    def slower_than(time: float) -> float:
        if abs(spare - 1) < 1e-6:
            both = (1 + time) * math.exp(-time)
        else:
            both = (spare * math.exp(-time) - math.exp(-spare * time)) / (spare - 1)
        return (1 - waits) * math.exp(-time) + waits * both

    return Expected(1 + waits / spare, _p99(slower_than))


def queue_of_at_least(length: int, draws: int, load: float) -> float:
    """The share of servers with at least so many requests, each sent to the shortest of so many queues.

    One draw: load^k. Two: load^(2^k - 1), and that is the whole difference.
    """
    exponent = length if draws == 1 else (draws**length - 1) // (draws - 1)
    return 0.0 if exponent > 10_000 else load**exponent


def bins_of_at_least(most: int, draws: int, steps: int = 2_000) -> list[float]:
    """The share of bins with at least 0, 1 ... `most` balls, when there were as many balls as bins.

    Each ball goes to the emptiest of so many bins that are drawn. The share x_k grows by x_(k-1)^d - x_k^d while
    the balls fall; here in so many steps.
    """
    shares = [1.0] + [0.0] * most
    for _ in range(steps):
        powers = [share**draws for share in shares]
        half = [1.0, *(x + (a - b) / 2 / steps for x, a, b in zip(shares[1:], powers, powers[1:], strict=False))]
        powers = [share**draws for share in half]
        shares = [1.0, *(x + (a - b) / steps for x, a, b in zip(shares[1:], powers, powers[1:], strict=False))]
    return shares


def _erlang_exceeds(stages: int, time: float) -> float:
    term = total = math.exp(-time)
    for number in range(1, stages):
        term *= time / number
        total += term
    return total


def _p99(slower_than: Callable[[float], float]) -> float:
    low, high = 0.0, 10_000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slower_than(middle) > 0.01 else (low, middle)
    return high
