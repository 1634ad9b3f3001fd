"""Visits to the museum of defaults, each made once: a visit is deterministic, as its own test shows."""

from __future__ import annotations

from api_gateway.plotting.defaults_museum import exhibition
from api_gateway.plotting.defaults_museum.exhibition import Outage, Visit
from api_gateway.plotting.defaults_museum.preset import Preset

_VISITS: dict[tuple[str, str], Visit] = {}


def visited(preset: Preset, outage: Outage) -> Visit:
    """What happened to the preset, with the first seed."""
    key = preset.name, outage.name
    if key not in _VISITS:
        _VISITS[key] = exhibition.visit(preset, outage)
    return _VISITS[key]
