"""Retry-After: when a service wants to be asked again.

    Retry-After: 2                                  seconds from now
    Retry-After: Fri, 31 Dec 1999 23:59:59 GMT      a moment of the wall's time

Rule: nanoseconds to wait, at least 0. What is neither form is nothing: the service has not said when.

What it does not do: wait, or say whether so long a wait is worth it.

Source: RFC 9110 sections 10.2.3 and 5.6.7 (all three forms of a date).
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.response import Response

_MOST_DIGITS = 12  # thirty thousand years; int() itself refuses thousands of digits


def retry_after(response: Response, clock: Clock) -> int | None:
    """Nanoseconds from now on; None where the response does not say."""
    value = response.header("retry-after")
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return int(value[:_MOST_DIGITS]) * NANOSECONDS
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # HTTP dates are in GMT, whether or not their form has a place for saying so.
    seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - clock.wall()
    return max(0, round(seconds * NANOSECONDS))
