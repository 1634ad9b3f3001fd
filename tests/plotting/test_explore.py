from importlib import util

import pytest

from api_gateway.plotting import explore as module
from api_gateway.plotting.explore import SWITCH, Knob, explore
from api_gateway.plotting.style import Picture, new_figure


def picture(height: int = 4, width: float = 1.5) -> Picture:
    return new_figure(f"{height} x {width}")[0]


def test_without_a_person_every_knob_is_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "off")
    shown = explore(picture, height=Knob(3, 1, 9), width=Knob(0.5, 0, 1, 0.1))
    assert repr(shown) == "<Picture: 3 x 0.5>"


def test_without_ipywidgets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert repr(explore(picture, height=Knob(3, 1, 9))) == "<Picture: 3 x 1.5>"


def test_with_both_there_are_sliders_and_each_move_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    if util.find_spec("ipywidgets") is None:
        pytest.skip("ipywidgets is not installed")
    monkeypatch.delenv(SWITCH, raising=False)
    drawn: list[tuple[int, float]] = []

    def draw(height: int, bucket_size: float) -> Picture:
        drawn.append((height, bucket_size))
        return picture(height, bucket_size)

    shown = explore(draw, height=Knob(3, 1, 9), bucket_size=Knob(0.5, 0, 1, 0.1))
    height, size, _ = shown.children  # type: ignore[attr-defined]  # a widget, whose library has no types
    assert [type(height).__name__, type(size).__name__] == ["IntSlider", "FloatSlider"]
    assert size.description == "bucket size"
    assert (height.min, height.max, height.value, height.step) == (1, 9, 3, 1)
    shown.update()  # type: ignore[attr-defined]  # likewise
    height.value = 7
    assert drawn[-1] == (7, 0.5)
    assert drawn[0] == (3, 0.5)
