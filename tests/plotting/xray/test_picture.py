"""The picture of an X-ray."""

from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from api_gateway.core.xray.xray import XRay
from api_gateway.plotting.style import ADMITTED, CONTEXT, REFUSED
from api_gateway.plotting.xray import picture
from tests.support.xrays import step, xray

Bar = tuple[float, float, float, str]
"""In which row, from when to when, in which colour."""


@pytest.fixture(scope="module")
def retried() -> XRay:
    """10 ms for a 500, 20 of waiting, 40 for the answer."""
    copies = {"in-process://a": {"in flight": 0}, "in-process://b": {"in flight": 3}}
    bad, good = (
        step("service", at=at, lasts=lasts, status=status, before={"endpoints": copies},
             found={"attempts": attempt, "endpoint": f"in-process://{name}"})
        for attempt, at, lasts, status, name in ((1, 0, 10, 500, "a"), (2, 30, 40, 200, "b"))
    )  # fmt: skip
    return xray(step("metrics", step("log", step("retry", bad, good, lasts=70), lasts=70), lasts=70))


def bars(axes: Axes, *, solid: bool) -> list[Bar]:
    drawn = [patch for patch in axes.patches if isinstance(patch, Rectangle) and (patch.get_alpha() is None) == solid]
    return [
        (round(bar.get_y() + bar.get_height() / 2), round(bar.get_x(), 6), round(bar.get_x() + bar.get_width(), 6),
         to_hex(bar.get_facecolor()))
        for bar in drawn
    ]  # fmt: skip


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_pale_is_a_step_and_solid_is_its_own(retried: XRay) -> None:
    figure, _ = picture(retried, "Retried")
    axes = figure.axes[0]
    assert [bar[:3] for bar in bars(axes, solid=False)] == [(0, 0, 70), (1, 0, 70), (2, 0, 10), (3, 30, 70)]
    blue, orange = ADMITTED.lower(), REFUSED.lower()
    assert bars(axes, solid=True) == [(1, 10, 30, blue), (2, 0, 10, orange), (3, 30, 70, blue)]


def test_names_tries_and_decisions_are_written(retried: XRay) -> None:
    said = words(picture(retried, "Retried")[0].axes[0])
    assert said[:4] == ["2 layers", "only passed on: metrics, log", "retry", "passed on 2 times"]
    assert "\u2460 service" in said
    assert "chose a (in flight 0 / 3), answered 500" in said
    assert "\u2461 service" in said
    assert said.count("\u00d7") == 1, "a cross for the one that failed"


def test_the_numbers_are_the_own_milliseconds_by_name(retried: XRay) -> None:
    _, own = picture(retried, "Retried")
    assert own == {"metrics": 0, "log": 0, "retry": 20, "service": 50}
    assert sum(own.values()) == 70


@pytest.mark.parametrize(
    ("lasts", "unit"),
    [(2_000, "seconds"), (70, "milliseconds"), (0.007, "microseconds"), (0.0001, "microseconds")],
)
def test_time_has_a_unit_that_suits_it(lasts: float, unit: str) -> None:
    nanoseconds = round(lasts * 1_000_000)
    figure, _ = picture(xray(replace(step("service"), duration=nanoseconds)), "Units")
    assert figure.axes[0].get_xlabel() == f"{unit} since the request came"
    per_unit = {"seconds": 1e9, "milliseconds": 1e6, "microseconds": 1e3}[unit]
    assert figure.axes[0].get_xlim() == pytest.approx((0, nanoseconds / per_unit))


def test_a_refusal_that_took_no_time_is_drawn_in_order() -> None:
    refusal = step("limit", status=None, outcome="raised RateLimited (429): too many")
    boundary = step("boundary", refusal, status=429, outcome="passed on, made 429 of RateLimited")
    figure, own = picture(xray(step("id", boundary, status=429, found={"request_id": "7"})), "Refused")
    axes = figure.axes[0]
    grey, orange = CONTEXT.lower(), REFUSED.lower()
    assert bars(axes, solid=True) == [
        (0, 0, 1, grey), (0, 4, 5, grey), (1, 1, 2, orange), (1, 3, 4, orange), (2, 2, 3, orange)
    ]  # fmt: skip
    assert axes.get_xlabel() == "in this order; it took no time"
    assert list(axes.get_xticks()) == []
    assert own == {"id": 0, "boundary": 0, "limit": 0}


def test_parts_that_run_side_by_side_lie_side_by_side() -> None:
    parts = [step("orders", lasts=30), step("users", lasts=20), step("stock", at=30, lasts=10)]
    figure, own = picture(xray(step("aggregator", *parts, lasts=40)), "A page")
    blue = ADMITTED.lower()
    assert bars(figure.axes[0], solid=True) == [(1, 0, 30, blue), (2, 0, 20, blue), (3, 30, 40, blue)]
    assert own == {"aggregator": 0, "orders": 30, "users": 20, "stock": 10}


def test_more_tries_than_there_are_circles_are_counted_all_the_same() -> None:
    said = words(picture(xray(step("retry", *[step("service")] * 21)), "Many")[0].axes[0])
    assert {"\u2473 service", "21 service"} <= set(said)
