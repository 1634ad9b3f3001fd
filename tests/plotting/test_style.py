from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Label, label_ends, new_figure, quiet

HEADLINE = (
    "What the figure shows, in so many words that they do not fit into one line of a figure that is 6 inches wide"
)


def test_the_headline_is_at_the_left_and_wrapped() -> None:
    figure, _ = new_figure(HEADLINE, width=6)
    assert figure.get_suptitle().replace("\n", " ") == HEADLINE
    assert figure.get_suptitle().count("\n") >= 1
    assert repr(figure) == f"<Picture: {HEADLINE}>"


@pytest.mark.parametrize("width", [5, 9, 12])
def test_a_headline_stays_inside_the_figure(width: float) -> None:
    figure, _ = new_figure(HEADLINE + ", and still more of them", width=width)
    figure.draw_without_rendering()
    (headline,) = figure.texts
    assert headline.get_window_extent().x1 <= figure.bbox.x1


def test_axes_have_no_spine_that_says_nothing() -> None:
    _, (axes,) = new_figure("One")
    assert not axes.spines["top"].get_visible()
    assert not axes.spines["right"].get_visible()
    quiet(axes)
    assert not axes.spines["left"].get_visible()
    assert axes.spines["bottom"].get_visible()


def test_axes_come_row_by_row() -> None:
    _, axes = new_figure("Six", rows=2, columns=3, heights=[2, 1])
    assert [(one.get_subplotspec().rowspan.start, one.get_subplotspec().colspan.start) for one in axes] == [  # type: ignore[union-attr]  # of a grid
        (row, column) for row in range(2) for column in range(3)
    ]


def test_a_picture_shows_itself_at_twice_the_pixels_it_takes() -> None:
    figure, _ = new_figure("Shown", width=4, height=3)
    data, shown = figure._repr_png_()
    assert shown == {"width": 400, "height": 300}
    with Image.open(BytesIO(data)) as image:
        assert image.size == (800, 600)


def test_the_same_data_is_the_same_bytes() -> None:
    def draw() -> bytes:
        figure, (axes,) = new_figure("Twice")
        axes.plot([1, 2, 3], color=ADMITTED)
        return figure.png()

    assert draw() == draw()


def test_colours_stay_what_they_are_in_a_picture() -> None:
    figure, (axes,) = new_figure("Colours", width=4, height=3)
    for row, colour in enumerate((ADMITTED, REFUSED, TRIGGER, CONTEXT, INK)):
        axes.axhspan(row, row + 1, color=colour)
    with Image.open(BytesIO(figure.png())) as image:
        pixels = image.convert("RGB")
        found = {colour for count, colour in pixels.getcolors(10**6) or [] if count > 1000}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in (ADMITTED, REFUSED, TRIGGER, CONTEXT, INK)} <= found


def test_names_at_the_ends_of_lines_do_not_overlap() -> None:
    figure, (axes,) = new_figure("Ends")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label_ends(
        axes, [Label(1, height, name) for name, height in {"a": 0.5, "b": 0.51, "c": 0.0, "d": 0.0, "e": 0.9}.items()]
    )
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 2 for below, above in pairwise(boxes))
    heights = {text.get_text(): text.xy[1] for text in axes.texts}  # type: ignore[attr-defined]  # annotations
    assert heights["e"] == pytest.approx(0.9)
    assert heights["a"] < heights["b"]
    assert min(heights.values()) >= 0
