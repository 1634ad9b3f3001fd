"""The throttle in the configuration: what is read, and what is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from api_gateway.config.problems import Refusal
from api_gateway.config.throttle_schema import ThrottleConfig

K_REMEDY = "write a number from 1 to 100, such as 2"


def config(**keys: object) -> ThrottleConfig:
    return ThrottleConfig.model_validate(keys)


def test_nothing_written_is_the_books_throttle() -> None:
    assert (config().k, config().window) == (2.0, 120.0)
    assert config() == config(k=2, window="2m")


def test_numbers_are_read_as_text_too() -> None:
    assert (config(k="1.1", window="30s").k, config(window="30s").window) == (1.1, 30.0)


def test_it_survives_being_sent_to_another_process() -> None:
    one = config(k=1.5, window="30s")
    assert config(**json.loads(one.model_dump_json())) == one


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"k": 0.5}, f"k: a throttle with k 0.5 would refuse requests to a healthy service; {K_REMEDY}"),
        ({"k": 101}, f"k: k 101 is out of range; {K_REMEDY}"),
        ({"k": "nan"}, f"k: expected k, not the number nan; {K_REMEDY}"),
        ({"k": "two"}, f"k: expected k, not 'two'; {K_REMEDY}"),
        ({"k": True}, f"k: expected k, not true; {K_REMEDY}"),
        ({"window": "500ms"}, "window: '500ms' is out of range for the window of a throttle; write from 1s to 1h"),
        ({"windows": "2m"}, "windows: unknown key 'windows'; did you mean 'window'?"),
    ],
)
def test_a_mistake_is_refused_at_its_key_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        config(**keys)
    (line,) = error.value.errors()
    refusal = line.get("ctx", {})["error"]
    assert isinstance(refusal, Refusal)
    assert f"{line['loc'][0]}: {refusal}" == said
