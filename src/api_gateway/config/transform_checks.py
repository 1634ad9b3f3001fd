"""Transform checks: what is wrong with a transform only at the place where it stands.

Rule: a template that never has a value is an error before the first request.

What it does not do: look at bodies; expressions know nothing of routes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from api_gateway.config.problems import Finding, Path, did_you_mean
from api_gateway.config.transform_schema import TransformOptions
from api_gateway.middleware.transform.template import Template

_LATE_FACTS = ("route", "path.")
"""Facts that the router finds."""


def check_transform(path: Path, options: TransformOptions, parameters: Collection[str] | None) -> Iterator[Finding]:
    """What is wrong with the entry at `path`.

    Args:
        path: where the options stand.
        options: the options.
        parameters: those of the route's path; None where the entry stands before the router.
    """
    for direction, side in (("request", options.request), ("response", options.response)):
        if side is None or side.headers is None:
            continue
        for kind in ("set", "add"):
            for name, value in getattr(side.headers, kind).items():
                place = (*path, direction, "headers", kind, name)
                yield from _facts(place, Template(value).names, parameters, answered=direction == "response")


def _facts(
    path: Path, names: Collection[str], parameters: Collection[str] | None, *, answered: bool
) -> Iterator[Finding]:
    for name in names:
        if parameters is None:
            if name.startswith(_LATE_FACTS) and not answered:
                yield Finding(path, f"{{{name}}} is not known before the router", "move this transform to a route")
        elif name.startswith("path.") and name[5:] not in parameters:
            cause = f"the route's path has no parameter {name[5:]!r}"
            yield Finding(path, cause, did_you_mean(name[5:], parameters, "it has"))
