"""Concurrency in the configuration: what is read, and which contradictions are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.config.concurrency_schema import ConcurrencyConfig


def test_the_contracts_examples_are_read() -> None:
    fixed = ConcurrencyConfig.model_validate({"limit": 100, "queue": 20})
    assert (fixed.limit, fixed.queue, fixed.max_wait, fixed.priority) == (100, 20, None, None)
    adaptive = ConcurrencyConfig.model_validate({"limit": "adaptive"})
    assert (adaptive.limit, adaptive.algorithm, adaptive.queue) == ("adaptive", "gradient2", 0)


@pytest.mark.parametrize(("written", "limit"), [(100, 100), ("100", 100), ("adaptive", "adaptive")])
def test_a_limit_alone_will_do(written: object, limit: object) -> None:
    assert ConcurrencyConfig.model_validate(written) == ConcurrencyConfig.model_validate({"limit": limit})


def test_an_adaptive_limit_has_bounds_and_an_algorithm() -> None:
    config = ConcurrencyConfig.model_validate(
        {
            "limit": "adaptive",
            "algorithm": "aimd",
            "too_slow": "250ms",
            "initial_limit": 30,
            "min_limit": "5",
            "max_limit": 500,
            "queue": "20",
            "max_wait": "1s",
            "priority": {"default": "sheddable"},
        }
    )
    assert (config.initial_limit, config.min_limit, config.max_limit) == (30, 5, 500)
    assert (config.algorithm, config.too_slow, config.queue, config.max_wait) == ("aimd", 0.25, 20, 1.0)
    assert config.priority is not None
    assert config.priority.default == "sheddable"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Field required"),
        ({"limit": 0}, "expected a number of requests, not the number 0; write a whole number from 1 to 1000000, or"),
        ({"limit": "some"}, "expected a number of requests, not 'some'"),
        ({"limit": True}, "expected a number of requests, not true"),
        ({"limit": 1.5}, "expected a number of requests, not the number 1.5"),
        ({"limit": 1, "queue": -1}, "expected a number of requests, not the number -1; write a whole number from 0"),
        ({"limit": 1, "queu": 1}, "unknown key 'queu'; did you mean 'queue'?"),
        ({"limit": 1, "max_wait": "1s"}, "max_wait has no meaning where nobody may wait; add queue"),
        ({"limit": 1, "priority": {}}, "without a queue all classes are refused alike; add queue"),
        ({"limit": 1, "algorithm": "vegas"}, "algorithm is for an adaptive limit; write limit: adaptive"),
        ({"limit": 1, "max_limit": 9}, "max_limit is for an adaptive limit"),
        ({"limit": "adaptive", "algorithm": "vega"}, "unknown algorithm 'vega'; did you mean 'vegas'?"),
        ({"limit": "adaptive", "algorithm": "aimd"}, "aimd does not know what is slow; add too_slow"),
        ({"limit": "adaptive", "too_slow": "1s"}, "gradient2 finds out what is slow; leave too_slow out"),
        ({"limit": "adaptive", "max_limit": 10}, "not min_limit <= initial_limit <= max_limit: 1, 20, 10"),
        ({"limit": "adaptive", "min_limit": 30}, "not min_limit <= initial_limit <= max_limit: 30, 20, 1000"),
    ],
)
def test_mistakes_are_told_with_their_remedy(document: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ConcurrencyConfig.model_validate(document)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        100,
        {"limit": 100, "queue": 20, "priority": {"tiers": {"gold": "critical"}}},
        {"limit": "adaptive", "algorithm": "aimd", "too_slow": "250ms"},
    ],
)
def test_a_configuration_that_is_written_out_can_be_read_again(document: object) -> None:
    config = ConcurrencyConfig.model_validate(document)
    assert ConcurrencyConfig.model_validate(config.model_dump(mode="json")) == config
    assert ConcurrencyConfig.model_validate_json(config.model_dump_json()) == config


def test_its_schema_has_the_short_form_and_the_long_one() -> None:
    schema = ConcurrencyConfig.model_json_schema()
    short, full = schema["anyOf"]
    assert short == {"type": ["integer", "string"]}
    assert full["required"] == ["limit"]
