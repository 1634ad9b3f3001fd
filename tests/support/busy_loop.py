"""A loop in virtual time on which work takes time, as on a real processor; and a lag to order."""

from __future__ import annotations

from api_gateway.simulation import spend as spend


class Late:
    """A lag that is what the test says."""

    def __init__(self, lag: float = 0.0) -> None:
        self.lag = lag

    def seconds(self) -> float:
        return self.lag
