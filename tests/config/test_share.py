"""Shares in the configuration."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from api_gateway.config.share import Share, ShareOrZero


@pytest.mark.parametrize(("written", "share"), [(1, 1.0), (0.5, 0.5), ("0.25", 0.25), ("1e-3", 0.001)])
def test_a_share_is_a_number_or_the_text_of_one(written: object, share: float) -> None:
    assert TypeAdapter(Share).validate_python(written) == share
    assert TypeAdapter(ShareOrZero).validate_python(written) == share


@pytest.mark.parametrize("written", [-0.1, 1.01, "50%", "nan", float("nan"), "inf", True, None, [0.5]])
def test_anything_else_is_none(written: object) -> None:
    for kind in (Share, ShareOrZero):
        with pytest.raises(ValidationError, match="expected a share"):
            TypeAdapter(kind).validate_python(written)


def test_only_where_nothing_is_a_choice_may_it_be_zero() -> None:
    assert TypeAdapter(ShareOrZero).validate_python(0) == 0
    with pytest.raises(ValidationError, match="greater than 0"):
        TypeAdapter(Share).validate_python(0)
