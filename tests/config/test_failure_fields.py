"""Failures in the configuration: names, statuses, ranges, and the key that YAML 1.1 takes for true."""

from __future__ import annotations

import pytest

from api_gateway.config.failure_fields import failures, refuse_yaml_true
from api_gateway.config.problems import Refusal

read = failures(("reset", "timeout"), range(500, 600), "it is not for you")


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (["reset", 503], ("reset", 503)),
        (["502-504", "reset"], (502, 503, 504, "reset")),
        (503, (503,)),
        ("503", (503,)),
        ("timeout", ("timeout",)),
        (("503-503", 503, "503"), (503,)),
        ((502, "reset"), (502, "reset")),
    ],
)
def test_it_is_read_and_may_be_read_again(written: object, means: object) -> None:
    assert read(written) == means
    assert read(means) == means


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "expected a failure, or several"),
        (None, "expected a failure, or several"),
        ({"reset": 1}, "expected a failure, or several"),
        (["rest"], "unknown failure 'rest'; did you mean 'reset'?, and statuses"),
        ([True], "true is neither a failure nor a status"),
        ([50], "the number 50 is neither a failure nor a status"),
        ([404], "404 cannot be in this list: it is not for you; write statuses from 500 to 599"),
        (["504-502"], "504-502 cannot be in this list"),
        (["400-599"], "400-599 cannot be in this list"),
        ([None], "expected text, not nothing"),
    ],
)
def test_mistakes_are_told_with_a_remedy(written: object, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(written)
    assert said in str(caught.value)


def test_a_key_that_has_become_true_is_told() -> None:
    with pytest.raises(Refusal, match="read the key 'on' as true; put it in quotes there"):
        refuse_yaml_true({True: ["reset"]})
    assert refuse_yaml_true({"on": ["reset"]}) == {"on": ["reset"]}
    assert refuse_yaml_true("text") == "text"
