"""Load shedding in the configuration: nothing need be said, and everything can."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.config.load_shedding_schema import MOST_IN_FLIGHT, LoadSheddingOptions


def test_without_options_the_lag_and_a_generous_bound_hold() -> None:
    options = LoadSheddingOptions.model_validate({})
    assert (options.max_lag, options.priority) == (0.05, None)
    assert (options.concurrency.limit, options.concurrency.queue) == (MOST_IN_FLIGHT, 0)


def test_lag_bound_and_classes_can_be_chosen() -> None:
    options = LoadSheddingOptions.model_validate(
        {"max_lag": "100ms", "concurrency": {"limit": 2000, "queue": 200}, "priority": {"tiers": {"gold": "critical"}}}
    )
    assert (options.max_lag, options.concurrency.limit, options.concurrency.queue) == (0.1, 2000, 200)
    assert options.priority is not None
    assert options.priority.tiers == {"gold": "critical"}
    assert LoadSheddingOptions.model_validate({"concurrency": "adaptive"}).concurrency.algorithm == "gradient2"


@pytest.mark.parametrize("document", [{}, {"max_lag": "1s", "concurrency": 100, "priority": {"header": "X-Priority"}}])
def test_a_configuration_that_is_written_out_can_be_read_again(document: dict[str, object]) -> None:
    options = LoadSheddingOptions.model_validate(document)
    assert LoadSheddingOptions.model_validate(options.model_dump(mode="json")) == options


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"max_lag": 0}, "the duration is zero"),
        ({"lag": "1s"}, "unknown key 'lag'; did you mean 'max_lag'?"),
        ({"concurrency": {"limit": 5, "max_wait": "1s"}}, "max_wait has no meaning where nobody may wait"),
    ],
)
def test_mistakes_are_told_with_their_remedy(document: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LoadSheddingOptions.model_validate(document)
    assert message in str(caught.value)
