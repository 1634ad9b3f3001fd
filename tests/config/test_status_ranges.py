"""Statuses and ranges of them."""

from __future__ import annotations

import pytest

from api_gateway.config.problems import Refusal
from api_gateway.config.status_ranges import status_ranges, statuses


@pytest.mark.parametrize(
    ("written", "kept", "meant"),
    [
        (503, ("503",), {503}),
        ("502-504", ("502-504",), {502, 503, 504}),
        ([200, "204-205", "204"], ("200", "204-205", "204"), {200, 204, 205}),
    ],
)
def test_ranges_stay_as_written_and_mean_each_status_in_them(
    written: object, kept: tuple[str, ...], meant: set[int]
) -> None:
    assert status_ranges(100)(written) == kept
    assert statuses(kept) == meant


@pytest.mark.parametrize("written", [[], 99, 600, "5xx", "504-502", "200-", [200, None], 2.0, True])
def test_what_is_no_status_is_refused(written: object) -> None:
    with pytest.raises(Refusal):
        status_ranges(100)(written)


def test_the_owner_says_where_they_begin() -> None:
    assert status_ranges(200)(200) == ("200",)
    with pytest.raises(Refusal, match="neither a status"):
        status_ranges(200)("100-599")
