"""Priority: which requests are served when not all can be.

    critical     somebody waits, and it matters: a payment, a health check
    default      somebody waits
    sheddable    nobody would notice at once: prefetching, a report at night, crawlers

Rule: a class says what is given up first, not who is important. Under overload the lowest class is refused
first, and the next one only when that was not enough.

Why so few: each class between "serve" and "refuse" must be one that an operator would really give up before
another. Google has four, of which two are for batch work, and found that more are not told apart.

What it does not do: read a request. `middleware/request_priority.py` says who is in which class.

Source: Google, "Site Reliability Engineering", 2016, ch. 21 (criticality); Netflix, "Keeping Netflix reliable using
prioritized load shedding", 2020.
"""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """The class of a request; the lower the number, the later it is refused."""

    CRITICAL = 0
    DEFAULT = 1
    SHEDDABLE = 2

    @property
    def label(self) -> str:
        """As it is written in configuration, headers and metrics."""
        return self.name.lower()


PRIORITIES = {priority.label: priority for priority in Priority}
"""The classes by their label."""
