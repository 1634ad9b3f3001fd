"""Rate-limit checks: mistakes in a rate limit that show only when two keys are compared.

Rule: what could never admit, or never mean what it says, is an error before the first request.

What it does not do: judge whether a limit is a good one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from api_gateway.config.problems import Finding, Path
from api_gateway.config.rate_limit_schema import CONCURRENCY, MEMORY, LimitOptions, Numbers, RateLimitOptions
from api_gateway.rate_limiting.limiters import WINDOWS, at_once


def check_rate_limit(path: Path, options: RateLimitOptions) -> Iterator[Finding]:
    """What is wrong with the entry at `path`."""
    yield from _store(path, options)
    if "limits" not in options.model_fields_set:
        yield from _limit(path, options)
        return
    for key in sorted(options.model_fields_set & set(LimitOptions.model_fields)):
        yield Finding((*path, key), f"{key} cannot stand beside limits", "move it into each of limits", at_key=True)
    if not options.limits:
        yield Finding((*path, "limits"), "there is no limit", "add one, such as {rate: 100/s}")
    for index, limit in enumerate(options.limits):
        yield from _limit((*path, "limits", index), limit)


def check_names(entries: Iterable[tuple[Path, RateLimitOptions]]) -> Iterator[Finding]:
    """Names that are there twice: in the store and the metrics they would be one policy."""
    owners: dict[str, Path] = {}
    for path, options in entries:
        for index, limit in enumerate(options.all_limits):
            if limit.name is None:
                continue
            place = (*path, "limits", index, "name") if options.limits else (*path, "name")
            first = owners.setdefault(limit.name, place)
            if first != place:
                cause, remedy = f"another rate limit has the name {limit.name!r}", "choose another name"
                yield Finding(place, cause, remedy, other=first)


def _store(path: Path, options: RateLimitOptions) -> Iterator[Finding]:
    given = options.model_fields_set
    for key in ("store_prefix", "lease"):
        if key in given and options.store == MEMORY:
            cause = f"{key} means nothing where counts are kept in memory"
            yield Finding((*path, key), cause, "name a shared store, or remove it", at_key=True)
    if "lease_time" in given and options.lease is None:
        yield Finding((*path, "lease_time"), "there is no lease", "add 'lease: 10', or remove it", at_key=True)


def _limit(path: Path, limit: LimitOptions) -> Iterator[Finding]:
    for index, key in enumerate(limit.key):
        if key.lower() in map(str.lower, limit.key[:index]):
            yield Finding((*path, "key", index), f"the key {key} is there twice", "remove one")
    wrong = [*_numbers(path, limit, limit)]
    for tier, numbers in limit.tiers.items():
        wrong += _numbers((*path, "tiers", tier), limit, numbers)
    yield from wrong
    if not wrong:
        yield from _cost(path, limit, [limit, *limit.tiers.values()])


def _numbers(path: Path, limit: LimitOptions, numbers: Numbers) -> Iterator[Finding]:
    algorithm = limit.algorithm
    if algorithm == CONCURRENCY:
        if numbers.rate is not None:
            remedy = "write limit: 100, or choose another algorithm"
            yield Finding((*path, "rate"), "concurrency counts requests at once, not in a time", remedy)
        elif numbers.limit is None:
            yield Finding(path, "the key 'limit' is missing", "add 'limit: 100', how many at once")
        if numbers.burst is not None:
            yield Finding((*path, "burst"), "concurrency has no burst", "remove it", at_key=True)
        return
    if numbers.limit is not None:
        yield Finding((*path, "limit"), f"{algorithm} takes a rate, not a limit", "write rate: 100/s", at_key=True)
    elif numbers.rate is None:
        yield Finding(path, "the key 'rate' is missing", "add 'rate: 100/s'")
    elif numbers.burst is not None:
        yield from _burst((*path, "burst"), limit, numbers, numbers.burst)


def _burst(path: Path, limit: LimitOptions, numbers: Numbers, burst: int) -> Iterator[Finding]:
    count = numbers.limit_of(limit.algorithm, "").limit
    if limit.algorithm in WINDOWS and burst != count:
        cause = f"{limit.algorithm} admits its whole rate at once, so its burst is {count}"
        yield Finding(path, cause, "remove it, or choose another algorithm")
    if burst == 0 and limit.algorithm != "leaky_bucket_queue":
        yield Finding(path, "with a burst of 0 nothing is ever admitted", "write at least 1")


def _cost(path: Path, limit: LimitOptions, cases: Sequence[Numbers]) -> Iterator[Finding]:
    least = min(at_once(numbers.limit_of(limit.algorithm, "")) for numbers in cases)
    if limit.cost > least:
        cause = f"a cost of {limit.cost} is never admitted where {least} is the most at once"
        yield Finding((*path, "cost"), cause, "lower the cost, or raise the burst")
