"""Steps and the X-ray made of them, as data."""

from __future__ import annotations

import json

import pytest

from api_gateway import Request, Response
from api_gateway.core.xray.facts import duration
from api_gateway.core.xray.step import Step
from api_gateway.core.xray.subject import headline, name_in_words
from api_gateway.core.xray.xray import XRay
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware


def step(name: str, began: int, duration: int, *inner: Step) -> Step:
    return Step(name, "", began, duration, "passed on", {}, {}, {"a": [1, None]}, {}, {}, inner)


def test_own_time_is_that_in_which_no_inner_step_ran() -> None:
    assert step("a", 0, 100, step("b", 10, 30), step("c", 50, 40)).own == 30
    assert step("a", 0, 100, step("b", 10, 50), step("c", 20, 20)).own == 50  # side by side
    assert step("a", 0, 100, step("c", 40, 30), step("b", 10, 50)).own == 40  # in part, in any order
    assert step("a", 0, 10, step("b", 0, 50)).own == 0  # an inner step that went on alone


def test_own_times_are_the_gaps_between_inner_steps() -> None:
    assert list(step("a", 5, 100, step("b", 10, 30), step("c", 50, 40)).own_times()) == [(5, 10), (40, 50), (90, 105)]
    assert list(step("a", 0, 100, step("b", 0, 60), step("c", 20, 80)).own_times()) == []
    assert list(step("a", 0, 10, step("b", 3, 50)).own_times()) == [(0, 3)]
    assert list(step("a", 7, 0).own_times()) == []


def test_an_xray_is_data_that_json_can_hold() -> None:
    xray = XRay(Request("GET", "/a?b"), Response(204), step("a", 0, 5, step("b", 1, 2)))
    data = json.loads(json.dumps(xray.as_data()))
    assert (data["request"], data["status"], data["duration"]) == ("GET /a?b", 204, 5)
    assert data["first"]["inner"][0]["name"] == "b"
    assert data["first"]["found"] == {"a": [1, None]}
    assert str(xray).startswith("GET /a?b -> 204 in 5 ns\n")


def test_a_step_is_found_by_name_and_one_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    xray = XRay(Request("GET", "/"), Response(), step("a", 0, 5, step("b", 1, 2)))
    assert xray.step("b").began == 1
    with pytest.raises(LookupError, match="no step is called 'c'; there are a, b"):
        xray.step("c")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0"),
        (17, "17 ns"),
        (1_500, "1.5 us"),
        (999_600, "1000 us"),
        (41_234_567, "41.2 ms"),
        (585_123_456, "585 ms"),
        (3_000_000_000, "3 s"),
        (-2_000_000, "-2 ms"),
    ],
)
def test_durations_are_short(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_names_and_headlines_come_from_the_code() -> None:
    class GCRAThing:
        name = "outer"

    assert name_in_words(GCRAThing()) == "gcra thing outer"
    assert name_in_words(test_durations_are_short) == "test durations are short"
    limit = RateLimitMiddleware.__new__(RateLimitMiddleware)
    assert name_in_words(limit) == "rate limit"
    assert headline(limit) == "so many requests in so much time, for each caller."
