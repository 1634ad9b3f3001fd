"""Health checks: what follows from a sequence of results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.backend.health_check import CheckResults, HealthCheck


def states(results: str, unhealthy_after: int = 2, healthy_after: int = 3) -> str:
    """`+` and `-` are results; `H` and `u` the state after each."""
    tracked = CheckResults(HealthCheck("/", unhealthy_after=unhealthy_after, healthy_after=healthy_after))
    shown = ""
    for result in results:
        before = tracked.healthy
        changed = tracked.record(passed=result == "+")
        assert changed == (before != tracked.healthy)
        shown += "H" if tracked.healthy else "u"
    return shown


def test_an_endpoint_is_healthy_until_something_else_is_known() -> None:
    assert CheckResults(HealthCheck("/")).healthy


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("+++", "HHH"),
        ("+-+-+-", "HHHHHH"),
        ("+--", "HHu"),
        ("+--++-+++", "HHuuuuuuH"),
        ("-", "u"),
        ("-+++", "uuuH"),
        ("-+++--", "uuuHHu"),
    ],
)
def test_so_many_results_in_a_row_change_the_state_and_the_first_one_does_at_once(results: str, expected: str) -> None:
    assert states(results) == expected


@given(st.text("+-", max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_whatever_came_before_a_run_of_equal_results_decides(results: str, down: int, up: int) -> None:
    assert states(results + "+" * up, down, up)[-1] == "H"
    assert states(results + "-" * down, down, up)[-1] == "u"


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "health"},
        {"path": "/a b"},
        {"path": "/\r\n"},
        {"path": "/\xe9"},
        {"path": "/", "timeout": 6.0},
        {"path": "/", "timeout": 0.0},
        {"path": "/", "jitter": 1.0},
        {"path": "/", "unhealthy_after": 0},
        {"path": "/", "healthy_after": 0},
    ],
)
def test_a_check_without_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a path|must"):
        HealthCheck(**wrong)  # type: ignore[arg-type]  # wrong on purpose
