"""Sliding sums: what was added within the last so many seconds, in buckets.

Rule: time is cut into buckets of length / buckets, aligned to 0; a sum is over the bucket of `now` and
the ones before it, `buckets` in all. When time enters a new bucket, the oldest leaves the sums whole.

Bound: each sum is exact over the last (buckets - 1) / buckets to 1 of `length`: what is older than
`length` never counts, what is younger than that by a bucket always does.
Memory: `columns` numbers a bucket, whatever the traffic.
Cost: O(1); a bucket is emptied once for each time it was filled, however long the silence was.

What it does not do: take anything back, or believe a clock that goes back: what is added in the past
counts in the latest bucket.

Source: Netflix Hystrix, HystrixRollingNumber, 10 buckets of a second; resilience4j,
SlidingTimeWindowMetrics.
"""

from __future__ import annotations


class SlidingSums:
    """A row of sums over a sliding time."""

    __slots__ = ("_latest", "_ring", "_sums", "_width")

    def __init__(self, length: int, buckets: int, columns: int) -> None:
        """`columns` sums over `length` nanoseconds.

        Raises:
            ValueError: there is no bucket, or `length` cannot be cut into so many equal ones.
        """
        if buckets < 1:
            raise ValueError(f"buckets must be at least 1, not {buckets}")
        if length < buckets or length % buckets:
            raise ValueError(f"length must be a positive multiple of {buckets} nanoseconds, not {length}")
        self._width = length // buckets
        self._ring = [[0] * columns for _ in range(buckets)]
        self._sums = [0] * columns
        self._latest = 0

    def add(self, now: int, column: int, amount: int = 1) -> None:
        """Add to one sum at `now`, monotonic nanoseconds."""
        self._enter(now)
        self._ring[self._latest % len(self._ring)][column] += amount
        self._sums[column] += amount

    def sums(self, now: int) -> list[int]:
        """The sums as they stand at `now`; to be read, not kept."""
        self._enter(now)
        return self._sums

    def clear(self) -> None:
        """Forget everything."""
        for bucket in self._ring:
            bucket[:] = [0] * len(bucket)
        self._sums = [0] * len(self._sums)

    def _enter(self, now: int) -> None:
        """Drop the buckets that `now` leaves behind."""
        bucket = now // self._width
        if bucket <= self._latest:
            return
        if bucket - self._latest >= len(self._ring):
            if any(self._sums):
                self.clear()
        else:
            for passed in range(self._latest + 1, bucket + 1):
                self._drop(self._ring[passed % len(self._ring)])
        self._latest = bucket

    def _drop(self, bucket: list[int]) -> None:
        for column, amount in enumerate(bucket):
            self._sums[column] -= amount
            bucket[column] = 0
