"""Retry storms in pictures: what `notebooks/05_retry_storms.ipynb` is made of.

Reading order: `laboratory.py` (the experiment), `timeline.py`, `amplification.py`, `fate.py`
(the map), `crowd.py` (backoff and jitter).
"""

from api_gateway.plotting.retry_storms.amplification import (
    amplification,
    beside_the_formula,
    calls_per_request,
    through_layers,
)
from api_gateway.plotting.retry_storms.crowd import Call, Crowd, crowd, crowd_raster, summary
from api_gateway.plotting.retry_storms.fate import fate, fates, maps_of_fate
from api_gateway.plotting.retry_storms.laboratory import (
    CAPACITY,
    TIMEOUT,
    TRIGGER,
    Setup,
    Storm,
    breaker,
    places,
    storm,
    throttle,
)
from api_gateway.plotting.retry_storms.timeline import Ending, ending, endings, storm_timeline

__all__ = [
    "CAPACITY",
    "TIMEOUT",
    "TRIGGER",
    "Call",
    "Crowd",
    "Ending",
    "Setup",
    "Storm",
    "amplification",
    "beside_the_formula",
    "breaker",
    "calls_per_request",
    "crowd",
    "crowd_raster",
    "ending",
    "endings",
    "fate",
    "fates",
    "maps_of_fate",
    "places",
    "storm",
    "storm_timeline",
    "summary",
    "throttle",
    "through_layers",
]
