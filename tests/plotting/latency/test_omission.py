"""Coordinated omission, and its correction."""

import pytest

from api_gateway.plotting.latency.omission import corrected, sent_and_waited
from api_gateway.simulation import Outcome
from tests.support.figures import xs


def test_a_long_request_hid_one_for_each_interval() -> None:
    assert corrected([0.1, 0.1, 1.0], 0.25) == pytest.approx([0.1, 0.1, 0.25, 0.5, 0.75, 1.0])


def test_what_was_not_late_hid_nobody() -> None:
    assert corrected([0.01, 0.02], 0.02) == [0.01, 0.02]


def outcomes(durations: list[float]) -> list[Outcome]:
    return [Outcome(float(second), duration, 200, "-", "", 1) for second, duration in enumerate(durations)]


def test_the_p99_is_of_the_whole_run_and_the_picture_is_of_the_pause() -> None:
    run = outcomes([0.5] * 30 + [2.0] + [0.5] * 19)
    figure, p99 = sent_and_waited({"run": run, "calm": outcomes([0.5] * 200)}, (30, 32), "Pause")
    assert p99 == {"run": 2.0, "calm": 0.5}
    assert xs(figure.axes[0].lines[0]) == [28, 29, 30, 31, 32, 33, 34, 35]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["p99 of the minute: 2.0 s", "pause:\n2 requests"]
