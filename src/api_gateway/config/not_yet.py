"""Not yet: names that the configuration language has, and this version does not.

Rule: whoever writes one of these is told by name, because "unknown key" would send them looking
for a spelling mistake. When a feature arrives, its line goes from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.config.problems import Refusal

NOT_YET: Mapping[str, Mapping[str, str]] = {
    "middleware": {},
    "route": {
        "aggregate": "one answer out of several services",
        "response": "the shape of an aggregate's answer",
    },
}
"""For each kind of place: the names, and what they will mean."""


def not_yet(kind: str, name: str, *, at_key: bool = False) -> Refusal | None:
    """The refusal of `name` if it is not yet supported in such a place, else None."""
    meaning = NOT_YET.get(kind, {}).get(name)
    if meaning is None:
        return None
    return Refusal(f"not yet supported: {name} ({meaning})", "leave it out", at_key=at_key, not_yet=True)
