"""Caching in pictures: what `notebooks/07_caching.ipynb` is made of.

Reading order: `laboratory.py` (a cache before a service), `seeds.py` (caches to find the bugs in), `expiry.py`, then
pairs of what is simulated and how it is drawn: `early.py` and `early_figures.py`, `popularity.py`, `staleness.py`,
`sharing.py`.
"""

from api_gateway.plotting.caching.early import (
    begins_before,
    first_refreshes,
    how_many,
    mean_begin,
    mean_of,
    so_many,
    too_late,
)
from api_gateway.plotting.caching.early_figures import (
    Waits,
    crowds_of_refreshes,
    lateness,
    moments,
    waits,
    waits_over_time,
)
from api_gateway.plotting.caching.expiry import CAPACITY, Crowd, Felt, at_expiry, load_at_expiry
from api_gateway.plotting.caching.popularity import (
    TABLES,
    Scan,
    best,
    che,
    hit_ratio,
    ratio_over_time,
    requests,
    zipf,
)
from api_gateway.plotting.caching.popularity_figures import ratio_around_a_scan, ratio_by_room
from api_gateway.plotting.caching.seeds import LockedCache, SeedCache
from api_gateway.plotting.caching.sharing import LANGUAGES, WAYS, Shared, Waiters, accounts, news, uncacheable
from api_gateway.plotting.caching.sharing_figures import who_waits, whose_answers
from api_gateway.plotting.caching.staleness import (
    DOWN,
    LASTS,
    Load,
    Outage,
    loads,
    mean_age,
    outage,
    share_past_its_end,
)
from api_gateway.plotting.caching.staleness_figures import ages_in_an_outage, stale_by_load

__all__ = [
    "CAPACITY",
    "DOWN",
    "LANGUAGES",
    "LASTS",
    "TABLES",
    "WAYS",
    "Crowd",
    "Felt",
    "Load",
    "LockedCache",
    "Outage",
    "Scan",
    "SeedCache",
    "Shared",
    "Waiters",
    "Waits",
    "accounts",
    "ages_in_an_outage",
    "at_expiry",
    "begins_before",
    "best",
    "che",
    "crowds_of_refreshes",
    "first_refreshes",
    "hit_ratio",
    "how_many",
    "lateness",
    "load_at_expiry",
    "loads",
    "mean_age",
    "mean_begin",
    "mean_of",
    "moments",
    "news",
    "outage",
    "ratio_around_a_scan",
    "ratio_by_room",
    "ratio_over_time",
    "requests",
    "share_past_its_end",
    "so_many",
    "stale_by_load",
    "too_late",
    "uncacheable",
    "waits",
    "waits_over_time",
    "who_waits",
    "whose_answers",
    "zipf",
]
