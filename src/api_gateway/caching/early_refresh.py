"""Early refresh: fetch an answer anew before its time is up, with a chance that grows as the time comes near.

Rule (XFetch): each request draws u from (0, 1]; it refreshes if

    now + effort * beta * -ln(u) >= expiry

where effort is how long the answer took to get. Of many requests one comes early, likely about effort * beta before
the expiry, and the others never see a stale or missing answer. The exponential is the optimal distribution: among all
that keep the chance of a stampede so low, it wastes the fewest refreshes.

Bound: at beta 1 the expected early refresh is one `effort` before the expiry; u = 2^-53 is 37 efforts before.
Cost: no draw until the answer is 37 efforts from its end, so none for most hits.

What it does not do: refresh. Whoever asks has one flight for each key.

Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015.
"""

from __future__ import annotations

from math import log
from random import Random

FARTHEST = 37.0
"""-ln of the smallest u that is drawn."""


def refreshes_early(remaining: float, effort: float, beta: float, random: Random) -> bool:
    """Whether this request, with `remaining` seconds of freshness left, is the one to refresh."""
    scale = effort * beta
    if remaining > scale * FARTHEST:
        return False
    return scale * -log(1.0 - random.random()) >= remaining
