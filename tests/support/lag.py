"""A lag to order, for what goes by the event loop's."""

from __future__ import annotations


class Late:
    """A lag that is what the test says."""

    def __init__(self, lag: float = 0.0) -> None:
        self.lag = lag

    def seconds(self) -> float:
        return self.lag
