"""The numbers are those of the documents; whoever changes one has to change it twice."""

import re

import pytest

from api_gateway.config.circuit_breaker_schema import CircuitBreakerConfig
from api_gateway.config.retry_schema import RetryConfig
from api_gateway.plotting.defaults_museum.placards import Placards
from api_gateway.plotting.defaults_museum.preset import Preset, settings
from api_gateway.plotting.defaults_museum.presets import PRESETS, THIS_GATEWAY

DOCUMENTED = {
    "Envoy, as it comes": ("15 s", "1", "-", "-", "-", "-", "-", "-"),
    "Envoy, asked for all": ("15 s", "2", "20%", "-", "-", "-", "-", "5 errors, 30 s"),
    "Kong": ("60 s", "6", "-", "-", "-", "-", "-", "-"),
    "Traefik, with a breaker": ("none", "1", "-", "10 s", "1", "30%", "10 s", "-"),
    "NGINX": ("60 s", "3", "-", "-", "-", "-", "-", "1 errors, 10 s"),
    "resilience4j": ("1 s", "3", "-", "100 calls", "100", "50%", "60 s", "-"),
    "Hystrix": ("1 s", "1", "-", "10 s", "20", "50%", "5 s", "-"),
    "opossum": ("3 s", "1", "-", "10 s", "1", "50%", "30 s", "-"),
}


def test_the_numbers_are_the_documented_ones() -> None:
    assert {preset.name: settings(preset)[1:] for preset in PRESETS if preset is not THIS_GATEWAY} == DOCUMENTED


def test_this_gateways_are_those_of_its_configuration() -> None:
    breaker, retry = CircuitBreakerConfig(), RetryConfig()
    assert THIS_GATEWAY.breaker == (
        breaker.window, breaker.least_calls, breaker.failure_rate, breaker.open_for, breaker.half_open_calls
    )  # fmt: skip
    ours = THIS_GATEWAY.retries
    assert ours is not None
    assert (ours.attempts, ours.wait, ours.longest, ours.on, ours.budget) == (
        retry.attempts, retry.backoff, retry.longest_backoff, retry.on, retry.budget
    )  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_each_has_a_source_and_others_a_year_of_it(preset: Preset) -> None:
    assert preset.source
    assert preset.made_for
    assert preset.left_out
    assert re.search(r"\b20\d\d\b", preset.source) or preset is THIS_GATEWAY


def test_placards_say_it_all() -> None:
    placards = Placards(PRESETS)
    for shown in (repr(placards), placards._repr_markdown_().replace("\\_", "_")):
        for preset in PRESETS:
            assert preset.name in shown
            assert preset.source in shown
            assert preset.left_out in shown
