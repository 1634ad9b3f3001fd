"""Hedging in the configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.config.hedge_schema import HedgeConfig


def test_the_contracts_example_is_read() -> None:
    config = HedgeConfig.model_validate({"after": "50ms", "max_extra": 0.05})
    assert (config.after, config.max_extra) == (0.05, 0.05)
    assert HedgeConfig.model_validate({"after": "50ms"}).max_extra == 0.05
    assert HedgeConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "Field required"),
        ({"after": 0}, "the duration is zero"),
        ({"after": "50ms", "max_extra": 0}, "expected a share"),
        ({"after": "50ms", "max_extra": 5}, "expected a share"),
        ({"after": "50ms", "extra": 0.05}, "unknown key 'extra'; did you mean 'max_extra'?"),
    ],
)
def test_mistakes_are_told(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HedgeConfig.model_validate(keys)
    assert text in str(caught.value)
