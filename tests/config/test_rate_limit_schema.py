"""Rate limits in the configuration: what is read, under which name, and that it survives being sent on."""

from __future__ import annotations

import json
import pickle

import pytest

from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.rate_limit_schema import RateLimitOptions
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.validate import validate
from api_gateway.rate_limiting.limit_store import Limit
from tests.support.config_files import load_text, problems_of, with_service


def options(**keys: object) -> RateLimitOptions:
    document = {"middleware": [{"rate_limit": keys}], "routes": [{"path": "/", "service": "s"}]}
    config, findings = validate(document, provided=["s"])
    assert config is not None, findings
    (entry,) = config.middleware
    assert entry.rate_limit is not None
    return entry.rate_limit


def test_the_contracts_example_is_read() -> None:
    one = options(algorithm="token_bucket", rate="100/s", burst=200, key="client_ip")
    assert one.limit_of(one.algorithm, "x") == Limit("x", "token_bucket", 100, 1.0, 200)
    assert (one.key, one.cost, one.store, one.dry_run, one.legacy_headers) == (
        ("client_ip",),
        1,
        "memory",
        False,
        False,
    )


def test_a_rate_alone_is_a_token_bucket_for_each_address() -> None:
    one = options(rate="5/min")
    assert (one.algorithm, one.key, one.on_store_error) == ("token_bucket", ("client_ip",), "local")
    assert one.all_limits == (one,)


def test_several_limits_share_what_concerns_the_entry() -> None:
    one = options(
        store="redis://h",
        dry_run="true",
        limits=[{"rate": "10/s", "key": ["client_ip", "route"]}, {"algorithm": "concurrency", "limit": "5"}],
    )
    assert [limit.limit_of(limit.algorithm, "x").limit for limit in one.all_limits] == [10, 5]
    assert (one.dry_run, one.store) == (True, "redis://h")


def test_tiers_are_rates_counts_or_numbers_in_full() -> None:
    one = options(rate="1/s", tiers={"gold": "100/s", "silver": {"rate": "10/s", "burst": 3}})
    assert one.tiers["gold"].limit_of("gcra", "x") == Limit("x", "gcra", 100, 1.0, None)
    assert one.tiers["silver"].limit_of("gcra", "x") == Limit("x", "gcra", 10, 1.0, 3)
    places = options(algorithm="concurrency", limit=1, tiers={"gold": 5, "silver": "3"})
    assert [numbers.limit for numbers in places.tiers.values()] == [5, 3]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"rate": "100/s"}, "client_ip:100/s"),
        ({"rate": "5/min", "key": "header:X-API-Key"}, "x-api-key:5/min"),
        ({"rate": "5/min", "key": ["identity", "route"]}, "identity+route:5/min"),
        ({"algorithm": "concurrency", "limit": 5}, "client_ip:5/concurrent"),
    ],
)
def test_a_name_is_made_of_key_and_rate(keys: dict[str, object], name: str) -> None:
    assert options(**keys).made_name == name


def test_numbers_may_come_from_the_environment() -> None:
    text = with_service("{path: /a, service: users}") + (
        "middleware: [{rate_limit: {rate: '${N}/s', burst: ${B}, cost: ${C}, store: ${STORE:-memory}}}]\n"
    )
    config = load_text(text, {"N": "7", "B": "9", "C": "2"})
    one = config.middleware[0].rate_limit
    assert one is not None
    assert (one.rate, one.burst, one.cost, one.store) == ("7/s", 9, 2, "memory")


@pytest.mark.parametrize("again", ["json", "pickle"])
def test_a_rate_limit_survives_being_sent_to_another_process(again: str) -> None:
    document = {
        "middleware": [
            {"rate_limit": {"rate": "5/min", "tiers": {"gold": "9/min"}, "key": ["client_ip", "header:X-A"]}},
            {
                "rate_limit": {
                    "limits": [{"algorithm": "concurrency", "limit": 3, "tiers": {"gold": 9}}, {"rate": "1/s"}]
                }
            },
        ],
        "routes": [{"path": "/", "service": "s"}],
    }
    config, _ = validate(document, provided=["s"])
    assert config is not None
    if again == "json":
        copy, findings = validate(json.loads(config.model_dump_json()), provided=["s"])
        assert not findings
    else:
        copy = pickle.loads(pickle.dumps(config))
    assert copy == config


def test_the_json_schema_knows_every_key() -> None:
    definitions = GatewayConfig.model_json_schema()["$defs"]
    assert set(definitions["RateLimitOptions"]["properties"]) == set(RateLimitOptions.model_fields)
    assert "rate_limit" in MiddlewareEntry.model_fields
    assert definitions["RateLimitOptions"]["properties"]["algorithm"]["enum"][-1] == "concurrency"


def test_a_password_in_the_stores_address_is_never_printed() -> None:
    for scheme in ("http", "redis"):
        text = with_service("{path: /a, service: users}") + (
            f"middleware: [{{rate_limit: {{rate: 1/s, store: '{scheme}://:hunter2@h:99999'}}}}]\n"
        )
        (problem,) = problems_of(text)
        assert "hunter2" not in problem
        assert problem.endswith("write memory, or redis://host:port/database")
