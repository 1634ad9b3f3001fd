"""The defaults museum in pictures: what `notebooks/08_defaults_museum.ipynb` is made of.

Reading order: `preset.py`, `presets.py` (the exhibits), `placards.py`, `exhibition.py` (the experiment), `wall.py`.
"""

from api_gateway.plotting.defaults_museum.exhibition import (
    HANGS,
    ONE_DEAD,
    OUTAGES,
    SLOW,
    Outage,
    Report,
    Visit,
    verdict_of,
    visit,
)
from api_gateway.plotting.defaults_museum.placards import Placards
from api_gateway.plotting.defaults_museum.preset import Breaker, Preset, Retries, middleware_of, settings
from api_gateway.plotting.defaults_museum.presets import PRESETS
from api_gateway.plotting.defaults_museum.wall import museum_wall, report_table

__all__ = [
    "HANGS",
    "ONE_DEAD",
    "OUTAGES",
    "PRESETS",
    "SLOW",
    "Breaker",
    "Outage",
    "Placards",
    "Preset",
    "Report",
    "Retries",
    "Visit",
    "middleware_of",
    "museum_wall",
    "report_table",
    "settings",
    "verdict_of",
    "visit",
]
