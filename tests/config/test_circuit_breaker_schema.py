"""Circuit breakers in the configuration: what is read, what is refused, and that it survives being sent on."""

# ruff: noqa: E501  # a table of mistakes and messages reads best in rows

from __future__ import annotations

import json
import pickle

import pytest
from pydantic import ValidationError

from api_gateway.config.circuit_breaker_schema import CircuitBreakerConfig
from api_gateway.config.problems import Refusal

WINDOW_REMEDY = "write a count of calls such as 20, or a time such as 10s"
SHARE_REMEDY = "write a number greater than 0 and at most 1, such as 0.5"
STATUSES_REMEDY = "write a status such as 500, a range such as 502-504, or a list of them"


def config(**keys: object) -> CircuitBreakerConfig:
    return CircuitBreakerConfig.model_validate(keys)


def refusals(keys: dict[str, object]) -> list[str]:
    """Every refusal with the key at which it stands."""
    with pytest.raises(ValidationError) as error:
        config(**keys)
    found = []
    for line in error.value.errors():
        refusal = line.get("ctx", {})["error"]
        assert isinstance(refusal, Refusal)
        found.append(".".join(map(str, line["loc"])) + ": " + str(refusal))
    return found


def test_the_contracts_example_is_read() -> None:
    one = config(window=20, min_calls=10, failure_rate=0.5, open_for="30s", half_open_calls=3)
    assert (one.window_calls, one.window_seconds, one.least_calls, one.failure_rate) == (20, None, 10, 0.5)
    assert (one.open_for, one.half_open_calls, one.slow_call_after, one.slow_call_rate) == (30, 3, None, None)
    assert one.statuses == frozenset(range(500, 600))


def test_nothing_written_is_the_same() -> None:
    assert config() == config(window=20, failure_rate=0.5, open_for=30, half_open_calls=3)
    assert config().least_calls == 10


def test_a_number_is_a_count_and_a_number_with_a_unit_a_time() -> None:
    assert (config(window="20").window_calls, config(window="10s").window_calls) == (20, None)
    assert (config(window="10s").window_seconds, config(window="500ms").window_seconds) == (10, 0.5)
    assert config(window="10s", min_calls=1000).least_calls == 1000


def test_the_minimum_that_nobody_wrote_fits_into_a_small_window() -> None:
    assert config(window=5).least_calls == 5


def test_all_may_come_from_the_environment_as_text() -> None:
    one = config(window="30", min_calls="5", failure_rate="0.25", slow_call_after="2s", slow_call_rate="1")
    assert (one.window_calls, one.least_calls, one.failure_rate, one.slow_call_rate) == (30, 5, 0.25, 1.0)


def test_failures_are_statuses_and_ranges_of_them() -> None:
    assert config(failure_statuses=[500, "502-504", "429"]).statuses == {429, 500, 502, 503, 504}
    assert config(failure_statuses=503).statuses == {503}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"window": 0}, "window: a window of 0 calls is out of range; write from 1 to 100000"),
        ({"window": "fast"}, f"window: expected a window, not 'fast'; {WINDOW_REMEDY}"),
        ({"window": "10 s"}, f"window: expected a window, not '10 s'; {WINDOW_REMEDY}"),
        ({"window": "10d"}, f"window: '10d' has the unit 'd', which is none of ms, s, m, h; {WINDOW_REMEDY}"),
        ({"window": "2h"}, "window: a window of 2h is out of range; write from 1ms to 1h"),
        ({"window": True}, f"window: expected a window, not true; {WINDOW_REMEDY}"),
        ({"window": 2.5}, f"window: expected a window, not the number 2.5; {WINDOW_REMEDY}"),
        ({"min_calls": 21}, "min_calls: a window of 20 calls never holds min_calls 21, so the circuit would never open; lower min_calls, or enlarge the window"),
        ({"window": 5, "min_calls": 6}, "min_calls: a window of 5 calls never holds min_calls 6, so the circuit would never open; lower min_calls, or enlarge the window"),
        ({"min_calls": 0}, "min_calls: count 0 is out of range; write a whole number from 1 to 1000000"),
        ({"failure_rate": 0}, f"failure_rate: expected a share, not the number 0; {SHARE_REMEDY}"),
        ({"failure_rate": 50}, f"failure_rate: expected a share, not the number 50; {SHARE_REMEDY}"),
        ({"failure_rate": "50%"}, f"failure_rate: expected a share, not '50%'; {SHARE_REMEDY}"),
        ({"failure_rate": "nan"}, f"failure_rate: expected a share, not the number nan; {SHARE_REMEDY}"),
        ({"slow_call_rate": 0.5}, "slow_call_rate: no call is slow without slow_call_after; add slow_call_after: 2s, or remove this"),
        ({"open_for": 0}, "open_for: the duration is zero; write a duration such as 250ms, 3s, 5m or 1h"),
        ({"half_open_calls": 0}, "half_open_calls: count 0 is out of range; write a whole number from 1 to 1000000"),
        ({"failure_statuses": []}, f"failure_statuses: the list of statuses is empty; {STATUSES_REMEDY}"),
        ({"failure_statuses": [700]}, f"failure_statuses: the number 700 is neither a status nor a range of them; {STATUSES_REMEDY}"),
        ({"failure_statuses": ["504-502"]}, f"failure_statuses: '504-502' is neither a status nor a range of them; {STATUSES_REMEDY}"),
        ({"failure_rat": 0.5}, "failure_rat: unknown key 'failure_rat'; did you mean 'failure_rate'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_at_its_key_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    assert refusals(keys) == [said]


@pytest.mark.parametrize("keys", [{}, {"window": "10s", "failure_statuses": [500, "502-504"], "slow_call_after": "2s"}])
def test_it_survives_being_sent_to_another_process(keys: dict[str, object]) -> None:
    one = config(**keys)
    assert config(**json.loads(one.model_dump_json())) == one
    assert pickle.loads(pickle.dumps(one)) == one


def test_the_json_schema_knows_every_key() -> None:
    schema = CircuitBreakerConfig.model_json_schema()
    assert set(schema["properties"]) == set(CircuitBreakerConfig.model_fields)
    assert schema["properties"]["window"]["type"] == ["integer", "string"]
