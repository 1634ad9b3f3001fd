"""Plugins: middleware that other packages bring along.

Rule: an installed package offers a middleware by an entry point in the group `api_gateway.plugins`.
The entry point's *name* is the name that configurations use; it loads a factory:

    # pyproject.toml of the other package
    [project.entry-points."api_gateway.plugins"]
    maintenance = "acme.maintenance:make"

    # acme/maintenance.py
    def make(options, tools):                # what stands behind the name; clock and random source
        return MaintenanceMiddleware(until=options["until"], clock=tools.clock)

    # gateway.yaml
    middleware: [{maintenance: {until: noon}}]

Names are listed without importing anything; a factory is loaded when a configuration uses it.
A factory says that its options are wrong by raising ConfigurationError.

What it does not do: let a plugin take the name of a built-in middleware.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "api_gateway.plugins"


@cache
def installed_plugins() -> dict[str, EntryPoint]:
    """The entry points of installed packages, by name. Read once: packages do not come and go."""
    return {point.name: point for point in entry_points(group=GROUP)}
