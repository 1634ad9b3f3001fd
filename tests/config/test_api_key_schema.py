"""API keys in the configuration: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from api_gateway.config.api_key_schema import ApiKeyConfig
from api_gateway.config.problems import Refusal

OWN_HEADER = "give the key a header of its own, such as X-API-Key"


def config(**keys: object) -> ApiKeyConfig:
    return ApiKeyConfig.model_validate(keys)


def test_the_file_is_all_that_must_be_said() -> None:
    read = config(keys_file="keys.yaml")
    assert (read.header, read.keys_file) == ("X-API-Key", Path("keys.yaml"))


def test_the_header_may_be_another() -> None:
    assert config(header="X-Team-Key", keys_file="/etc/keys.yaml").header == "X-Team-Key"


def test_it_survives_being_sent_to_another_process() -> None:
    one = config(header="X-Team-Key", keys_file="/etc/keys.yaml")
    assert config(**json.loads(one.model_dump_json())) == one


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"header": "Authorization"}, f"header: the header 'Authorization' means something else; {OWN_HEADER}"),
        ({"header": "cookie"}, f"header: the header 'cookie' means something else; {OWN_HEADER}"),
        ({"header": "Host"}, f"header: the header 'Host' means something else; {OWN_HEADER}"),
        ({"header": "X Key"}, "header: 'X Key' is not a header name; use letters, digits and hyphens"),
        (
            {"header": "X_API_Key"},
            "header: the header 'X_API_Key' never reaches a route: the edge removes it; choose another header",
        ),
        (
            {"header": "Connection"},
            "header: the header 'Connection' never reaches a route: the edge removes it; choose another header",
        ),
        ({"keys_file": ""}, "keys_file: expected text, found none; fill it in, or leave the key out"),
        ({"keys_file": 7}, "keys_file: expected text, not the number 7; put it in quotes"),
        ({"key_file": "a"}, "key_file: unknown key 'key_file'; did you mean 'keys_file'?"),
        ({"keys": {}}, "keys: unknown key 'keys'; did you mean 'keys_file'?"),
    ],
)
def test_a_mistake_is_refused_at_its_key_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        config(**{"keys_file": "keys.yaml", **keys})
    (line,) = error.value.errors()
    refusal = line.get("ctx", {})["error"]
    assert isinstance(refusal, Refusal)
    assert f"{line['loc'][0]}: {refusal}" == said


def test_without_a_file_there_are_no_keys_to_know() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        config(header="X-API-Key")
