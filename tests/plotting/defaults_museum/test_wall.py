from functools import cache

import numpy
from matplotlib.patches import StepPatch

from api_gateway.plotting.defaults_museum import presets
from api_gateway.plotting.defaults_museum.exhibition import ONE_DEAD, SLOW, Outage, Visit
from api_gateway.plotting.defaults_museum.wall import museum_wall, report_table
from tests.support.museum import visited


@cache
def visits() -> dict[str, dict[Outage, Visit]]:
    return {preset.name: {each: visited(preset, each) for each in (SLOW, ONE_DEAD)} for preset in
          (presets.ENVOY, presets.NGINX)}  # fmt: skip


def test_layers_are_stacked_and_reports_are_of_the_visits() -> None:
    figure, reports = museum_wall(visits(), "A wall")
    seen = visits()["Envoy, as it comes"][ONE_DEAD]
    good, late, failed = (patch for patch in figure.axes[1].patches if isinstance(patch, StepPatch))
    heights = [numpy.asarray(layer.get_data()[0]) for layer in (good, late, failed)]
    assert list(heights[0]) == seen.verdicts("good")
    assert list(heights[2] - heights[1]) == seen.verdicts("failed")
    assert reports["NGINX"][SLOW.name] == visits()["NGINX"][SLOW].report()
    assert f"{reports['Envoy, as it comes'][ONE_DEAD.name].failed} failed" in figure.axes[1].texts[0].get_text()


def test_the_table_has_a_row_for_each_preset() -> None:
    _, reports = museum_wall(visits(), "A wall")
    table = report_table(reports, ONE_DEAD)
    assert [row[0] for row in table.rows] == ["Envoy, as it comes", "NGINX"]
    assert table.rows[1][1:5] == ("0 s", "0", "0", "3")
    assert table.rows[0][1] == "-"
