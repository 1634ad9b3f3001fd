"""Retries in the configuration, as far as a service's entry does not know them."""

from __future__ import annotations

import json
import pickle

import pytest
import yaml
from pydantic import ValidationError

from api_gateway.config.load import _Document
from api_gateway.config.retry_schema import RetryConfig


def loaded(text: str) -> object:
    """A YAML document as the loader of configuration files reads it."""
    document = _Document("gateway.yaml", text)
    assert document.problems == []
    assert isinstance(document.value, dict)
    return document.value["retry"]


def said(**keys: object) -> str:
    with pytest.raises(ValidationError) as caught:
        RetryConfig.model_validate(keys)
    return " | ".join(str(line.get("ctx", {}).get("error", line["msg"])) for line in caught.value.errors())


CONTRACT = "retry: {attempts: 3, on: [connect_error, 502, 503, 504], budget: 0.2, backoff: 25ms}"


def test_the_contracts_example_is_read_by_the_loader_and_is_the_default() -> None:
    config = RetryConfig.model_validate(loaded(CONTRACT))
    assert config.on == ("connect_error", 502, 503, 504)
    assert (config.attempts, config.budget, config.backoff) == (3, 0.2, 0.025)
    assert (config.longest_backoff, config.max_retry_after) == (0.25, 1.0)
    assert config == RetryConfig.model_validate({**config.model_dump()})
    assert config.model_dump() == RetryConfig().model_dump()


@pytest.mark.parametrize("key", ["on", "'on'", '"on"'])
@pytest.mark.parametrize("style", ["retry: {{ {}: [reset] }}", "retry:\n  {}:\n    - reset\n"])
def test_a_bare_on_is_the_word_on(key: str, style: str) -> None:
    assert loaded(style.format(key)) == {"on": ["reset"]}


def test_what_a_yaml_1_1_loader_makes_of_it_is_told() -> None:
    document = yaml.safe_load(CONTRACT)
    assert True in document["retry"], "else this test is about nothing"
    with pytest.raises(ValidationError, match="put it in quotes there: 'on'"):
        RetryConfig.model_validate(document["retry"])


def test_values_may_be_texts_and_ranges() -> None:
    config = RetryConfig.model_validate({"attempts": "5", "on": "500-503", "budget": "0.5", "backoff": "1s"})
    assert (config.attempts, config.on, config.budget, config.longest_backoff) == (5, (500, 501, 502, 503), 0.5, 10.0)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"attempts": 0}, "count 0 is out of range"),
        ({"attempts": 11}, "11 attempts would keep a service down that is in trouble; write at most 10"),
        ({"on": []}, "expected a failure"),
        ({"on": [404]}, "404 cannot be in this list: to repeat the request would not change the answer"),
        ({"on": ["circuit_open"]}, "unknown failure 'circuit_open'"),
        ({"budget": 0}, "expected a share"),
        ({"budget": 1.5}, "expected a share"),
        ({"backoff": 0}, "the duration is zero"),
        ({"backoff": "1s", "max_backoff": "500ms"}, "max_backoff 500ms is shorter than the first wait, backoff 1s"),
        ({"atempts": 3}, "unknown key 'atempts'; did you mean 'attempts'?"),
    ],
)
def test_mistakes_are_told(keys: dict[str, object], text: str) -> None:
    assert text in said(**keys)


def test_one_attempt_switches_it_off() -> None:
    assert RetryConfig.model_validate({"attempts": 1}).attempts == 1


def test_it_survives_being_sent_on() -> None:
    config = RetryConfig.model_validate({"on": ["reset", "502-504"], "max_backoff": "2s"})
    assert pickle.loads(pickle.dumps(config)) == config
    assert RetryConfig.model_validate(json.loads(config.model_dump_json())).on == config.on


def test_its_json_schema_can_be_made() -> None:
    schema = RetryConfig.model_json_schema()
    assert set(schema["properties"]) == set(RetryConfig.model_fields)
