"""Placards: what stands beside each exhibit, in words.

Rule: name, source with its year, what the settings are made for, and what of them is left out here.

What it does not do: numbers. Those are in a table, by `settings`.
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway.plotting.defaults_museum.preset import Preset


class Placards:
    """A list that a notebook shows as such, and a terminal as lines."""

    __slots__ = ("presets",)

    def __init__(self, presets: Sequence[Preset]) -> None:
        self.presets = tuple(presets)

    def _repr_markdown_(self) -> str:
        return "\n".join(
            f"- **{one.name}** is made for {one.made_for}.<br>\n"
            f"  Source: {one.source.replace('_', chr(92) + '_')}.<br>\n"
            f"  Left out: {one.left_out}."
            for one in self.presets
        )

    def __repr__(self) -> str:
        return "\n".join(
            f"{one.name}: made for {one.made_for}. Source: {one.source}. Left out: {one.left_out}."
            for one in self.presets
        )
