"""Authentication in the configuration: the ways, their order, and what cannot stand together."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping

import pytest
from pydantic import BaseModel, ValidationError

from api_gateway.config.api_key_schema import ApiKeyConfig
from api_gateway.config.auth_schema import AuthConfig, AuthMethod
from api_gateway.config.introspection_schema import IntrospectionConfig
from api_gateway.config.jwt_schema import JwtConfig
from api_gateway.config.mtls_schema import MtlsConfig

SECRET = "a-secret-that-is-shown-to-nobody-at-all"
API_KEY = {"header": "X-API-Key", "keys_file": "keys.yaml"}
JWT = {
    "issuer": "https://id.example",
    "audience": "orders",
    "algorithms": ["RS256", "ES256"],
    "jwks_url": "https://id.example/jwks",
    "leeway": "30s",
}
INTROSPECTION = {
    "url": "https://id.example/introspect",
    "client_id": "gw",
    "client_secret": SECRET,
    "cache": "60s",
    "when_down": {"read": "admit_cached", "write": "refuse"},
}
CONTRACT = {
    "any_of": [{"api_key": API_KEY}, {"jwt": JWT}, {"introspection": INTROSPECTION}, {"mtls": {}}],
    "optional": False,
}


def read(document: object) -> AuthConfig:
    return AuthConfig.model_validate(document)


def said(document: object, model: type[BaseModel] = AuthConfig) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document)
    return " | ".join(str(line.get("ctx", {}).get("error", line["msg"])) for line in caught.value.errors())


def test_the_contracts_example_is_read_in_its_order() -> None:
    config = read(CONTRACT)
    assert [name for name, _ in config.methods] == ["api_key", "jwt", "introspection", "mtls"]
    kinds = [type(options) for _, options in config.methods]
    assert kinds == [ApiKeyConfig, JwtConfig, IntrospectionConfig, MtlsConfig]
    assert (config.optional, config.forward_credentials, config.realm) == (False, False, None)


def test_the_order_is_the_files_and_one_way_may_be_there_twice() -> None:
    other = {**JWT, "issuer": "https://other.example"}
    config = read({"any_of": [{"mtls": None}, {"jwt": JWT}, {"jwt": other}, "mtls"], "optional": "true"})
    assert [name for name, _ in config.methods] == ["mtls", "jwt", "jwt", "mtls"]
    assert config.optional


@pytest.mark.parametrize("document", [{"mtls": {}}, {"mtls": None}, {"any_of": ["mtls"]}])
def test_a_single_way_needs_no_list(document: Mapping[str, object]) -> None:
    assert read(document).methods == (("mtls", MtlsConfig()),)


def test_a_single_way_takes_the_other_options_beside_it() -> None:
    config = read({"api_key": API_KEY, "optional": True, "forward_credentials": True, "realm": "shop"})
    assert [name for name, _ in config.methods] == ["api_key"]
    assert (config.optional, config.forward_credentials, config.realm) == (True, True, "shop")


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "there is no way to prove who is calling; add any_of"),
        ({"optional": True}, "there is no way to prove who is calling"),
        ({"any_of": []}, "expected a list of ways"),
        ({"any_of": {"mtls": {}}}, "expected a list of ways"),
        ({"any_of": None}, "expected a list of ways"),
        ({"any_of": [{"mtls": {}}], "mtls": {}}, "mtls stands beside any_of; move it into the list"),
        ({"api_key": API_KEY, "mtls": {}}, "api_key and mtls stand side by side; write any_of"),
        ({"any_of": [{"api_key": API_KEY, "mtls": {}}]}, "expected one way to prove who is calling, not 2 keys"),
        ({"any_of": [{}]}, "not 0 keys; write one of api_key, jwt, introspection, mtls"),
        ({"any_of": [7]}, "expected one way to prove who is calling, not the number 7"),
        ({"any_of": [{"apikey": API_KEY}]}, "unknown way 'apikey'; did you mean 'api_key'?"),
        ({"any_of": [{"basic": {}}]}, "unknown way 'basic'; there are: api_key, introspection, jwt, mtls"),
        ({"any_of": ["jwt"]}, "jwt needs a value; write jwt: {...}"),
        ({"jwt": None}, "jwt needs a value"),
        ({"any_of": [{"mtls": {}}], "optonal": True}, "unknown key 'optonal'; did you mean 'optional'?"),
        ({"jwtt": JWT}, "unknown key 'jwtt'; did you mean 'jwt'?"),
        ({"mtls": {}, "optional": "perhaps"}, "expected true or false"),
        ({"mtls": {}, "realm": "a\r\nX-Admin: 1"}, "the realm travels in a header, in printable ASCII"),
        ({"mtls": {}, "realm": "ä"}, "the realm travels in a header"),
        ({"mtls": {}, "realm": ""}, "expected text, found none"),
        ({"jwt": {**JWT, "realm": "a"}, "realm": "b"}, "jwt has a realm of its own beside the one for all"),
    ],
)
def test_mistakes_are_told(document: object, text: str) -> None:
    assert text in said(document)


def test_a_mistake_in_a_way_is_told_where_it_is() -> None:
    with pytest.raises(ValidationError) as caught:
        read({"any_of": [{"mtls": {}}, {"api_key": {**API_KEY, "header": "a b"}}]})
    (line,) = caught.value.errors()
    assert line["loc"] == ("any_of", 1, "api_key", "header")
    with pytest.raises(ValidationError) as caught:
        read({"api_key": {**API_KEY, "header": "a b"}})
    assert caught.value.errors()[0]["loc"] == ("api_key", "header")


def test_no_secret_is_shown_by_what_is_wrong_beside_it_or_by_what_is_right() -> None:
    wrong = {"any_of": [{"introspection": {**INTROSPECTION, "client_id": ""}}]}
    assert SECRET not in said(wrong)
    config = read(CONTRACT)
    assert SECRET not in f"{config!r}{config}{config.model_dump()}{config.model_dump_json()}"


def test_it_survives_being_sent_on() -> None:
    config = read(CONTRACT)
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    options = dict(again.methods)["introspection"]
    assert isinstance(options, IntrospectionConfig)
    assert options.client_secret.get_secret_value() == SECRET
    plain = read({"any_of": [{"api_key": API_KEY}, "mtls"], "realm": "shop"})
    assert read(json.loads(plain.model_dump_json())) == plain
    assert AuthMethod.model_validate(plain.any_of[0]) == plain.any_of[0]


def test_its_json_schema_can_be_made_and_knows_all_keys() -> None:
    schema = AuthConfig.model_json_schema()
    assert set(schema["properties"]) == set(AuthConfig.model_fields)
    entry = schema["$defs"]["AuthMethod"]
    assert set(entry["properties"]) == {"api_key", "jwt", "introspection", "mtls"}
    assert (entry["minProperties"], entry["maxProperties"]) == (1, 1)
