"""Costs of layers and transports."""

import pytest

from api_gateway.plotting.latency.costs import layers_and_transports


def test_what_a_layer_adds_begins_where_the_one_before_it_ends() -> None:
    layers = {"service alone": 1.0, "gateway (errors)": 5.0, "+ deadline": 7.0, "+ metrics": 10.0}
    figure, cost = layers_and_transports(layers, {"http1": 20.0, "httpx": 800.0}, "Costs")
    left, right = figure.axes
    bars = [(patch.get_x(), patch.get_width()) for patch in left.patches]  # type: ignore[attr-defined]  # bars are rectangles
    assert bars == [(0, 4), (4, 2), (6, 3)]
    assert cost["+ deadline"] == 2
    assert cost["all layers"] == 9, "without the service"
    assert cost["a call by httpx"] == 800
    assert [label.get_text() for label in left.get_yticklabels()] == ["gateway\n(errors)", "deadline", "metrics"]
    assert [text.get_text() for text in right.texts] == ["9", "20", "800"]


def test_a_layer_that_noise_made_cheaper_than_nothing_is_drawn_as_nothing() -> None:
    figure, cost = layers_and_transports({"s": 1.0, "a": 3.0, "+ b": 2.9}, {"http1": 20.0}, "Costs")
    assert cost["+ b"] == pytest.approx(-0.1)
    assert [text.get_text() for text in figure.axes[0].texts] == ["2.0", "0.0"]
