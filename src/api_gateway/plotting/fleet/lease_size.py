"""The size of a lease: round trips saved, against requests refused wrongly.

Rule: the same requests to fleets that differ in the lease alone. Left, how many requests waited for the store; right,
how many were refused though the limit as a whole had room. Both are shares of the requests.

What it does not do: choose. It shows where a larger lease stops paying.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.ticker import MaxNLocator

from api_gateway.plotting.fleet.report import FleetReport
from api_gateway.plotting.style import INK, REFUSED, Picture, new_figure


def lease_sizes(reports: Mapping[int, FleetReport], headline: str) -> tuple[Picture, int]:
    """Draw reports by the size of the lease, and give the size at which the fewest requests wait."""
    figure, (left, right) = new_figure(headline, columns=2, width=9, height=3.4, shared=False)
    sizes = list(reports)
    waited = [100 * report.waited_share for report in reports.values()]
    left.plot(sizes, waited, "o-", color=INK, markersize=4, linewidth=1.2)
    left.set_title("waited for the store")
    wrong = [100 * report.wrong_share for report in reports.values()]
    right.plot(sizes, wrong, "o-", color=REFUSED, markersize=4, linewidth=1.2)
    right.set_title("refused wrongly")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.set_xlabel("size of the lease, requests")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    left.set_ylabel("% of requests")
    return figure, min(reports, key=lambda size: reports[size].waited)
