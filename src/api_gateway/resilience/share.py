"""Share: a part of a whole, exactly as somebody wrote it.

Rule: 0.07 means 7 of 100. The nearest float is a little more, and 0.07 * 100 is more again than 7, so
the seventh failure of a hundred would not reach a rate of 0.07. A fraction made of what is printed
does, when it is compared by integers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Share(NamedTuple):
    """`numerator` of `denominator`."""

    numerator: int
    denominator: int

    @classmethod
    def of(cls, name: str, value: float) -> Share:
        """`value` as the decimal that it prints as; `name` is for the message.

        Raises:
            ValueError: it is not greater than 0 and at most 1.
        """
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be greater than 0 and at most 1, not {value!r}")
        return cls(*Fraction(str(value)).as_integer_ratio())

    def reached_by(self, part: int, whole: int) -> bool:
        """Whether `part` is this much of `whole` or more."""
        return part * self.denominator >= self.numerator * whole
