"""A fleet of gateways in pictures: what `notebooks/02_distributed_rate_limiting.ipynb` is made of.

Reading order: `distant_store.py`, `synchronised.py`, `fleet.py` (the experiment), `report.py`, then the figures:
`ways.py`, `lease_size.py`, `outage.py`.
"""

from api_gateway.plotting.fleet.distant_store import DistantStore, Network
from api_gateway.plotting.fleet.fleet import (
    Way,
    a_share_each,
    answers,
    leased,
    shared,
    spread,
    synchronised,
    whole_limit_each,
)
from api_gateway.plotting.fleet.lease_size import lease_sizes
from api_gateway.plotting.fleet.outage import Rates, outage_timeline
from api_gateway.plotting.fleet.report import FleetReport, report
from api_gateway.plotting.fleet.ways import prices_of_ways

__all__ = [
    "DistantStore",
    "FleetReport",
    "Network",
    "Rates",
    "Way",
    "a_share_each",
    "answers",
    "lease_sizes",
    "leased",
    "outage_timeline",
    "prices_of_ways",
    "report",
    "shared",
    "spread",
    "synchronised",
    "whole_limit_each",
]
