"""Cache counts: what became of requests at a cache.

| result        | the client got                                                          |
|---------------|-------------------------------------------------------------------------|
| `hit`         | a fresh answer from the store                                           |
| `stale`       | one past its lifetime, because it may be used so, or the service failed |
| `revalidated` | one from the store that the service has confirmed                       |
| `collapsed`   | the answer to somebody else's request for the same                      |
| `miss`        | the service's own answer                                                |
| `bypass`      | likewise; the cache was not asked                                       |
| `error`       | no answer: the service failed, or only a cached one was wanted          |

What it does not do: name keys or callers.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Result: TypeAlias = Literal["hit", "stale", "revalidated", "collapsed", "miss", "bypass", "error"]


class CacheCounts:
    """Counts of one cache."""

    __slots__ = ("refresh_failures", "refreshes", "requests")

    requests: dict[Result, int]
    """By what became of them; every result is there."""
    refreshes: int
    """Requests made in the background."""
    refresh_failures: int
    """Those of them that brought no answer to use."""

    def __init__(self) -> None:
        self.requests = dict.fromkeys(get_args(Result), 0)
        self.refreshes = self.refresh_failures = 0

    def add(self, result: Result) -> None:
        """Count a request."""
        self.requests[result] += 1
