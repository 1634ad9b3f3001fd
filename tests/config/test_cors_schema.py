"""CORS in the configuration: what is read, and what is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from api_gateway.config.cors_schema import CorsOptions
from api_gateway.config.problems import Refusal

PAGE = ["https://app.example"]

NESTED: tuple[str, ...] = ()


def options(**keys: object) -> CorsOptions:
    return CorsOptions.model_validate(keys)


def test_origins_are_all_that_must_be_written() -> None:
    read = options(origins=PAGE)
    assert read.origins == ("https://app.example",)
    assert not read.credentials
    assert read.methods == ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    assert read.allow_headers == ("authorization", "content-type")
    assert read.expose_headers == ()
    assert read.max_age == 600


def test_everything_can_be_chosen() -> None:
    read = options(
        origins=["https://*.shop.example", "http://localhost:3000"],
        credentials="true",
        methods=["get", "post"],
        allow_headers=["X-Tenant"],
        expose_headers=["x-total"],
        max_age="1h",
    )
    assert (read.credentials, read.methods, read.max_age) == (True, ("GET", "POST"), 3600)
    assert options(**json.loads(read.model_dump_json())) == read


def test_a_star_is_accepted_where_there_are_no_credentials() -> None:
    read = options(origins=["*"], methods=["*"], allow_headers=["*", "authorization"], expose_headers=["*"])
    assert (read.origins, read.methods) == (("*",), ("*",))


def test_a_star_inside_an_origin_goes_with_credentials() -> None:
    assert options(origins=["https://*.shop.example"], credentials=True).credentials


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"origins": []}, "there are no origins"),
        ({"origins": ["null"]}, "'null' is the origin of every sandboxed page"),
        ({"origins": ["https://app.example/"]}, "no slash at the end"),
        ({"origins": ["*", "https://app.example"]}, "nothing to add"),
        ({"origins": [42]}, "expected text"),
        ({"origins": ["*"], "credentials": True}, "any page could act as its visitor"),
        ({"origins": PAGE, "credentials": True, "allow_headers": ["*"]}, "any page could act as its visitor"),
        ({"origins": PAGE, "credentials": True, "expose_headers": ["*"]}, "any page could act as its visitor"),
        ({"origins": PAGE, "credentials": True, "methods": ["*"]}, "any page could act as its visitor"),
        ({"origins": PAGE, "methods": ["TRACE"]}, "not a method that a gateway forwards"),
        ({"origins": PAGE, "allow_headers": ["a b"]}, "not a header name"),
        ({"origins": PAGE, "headers": ["x-a"]}, "unknown key 'headers'"),
        ({"origins": PAGE, "max_age": "-1s"}, "expected a duration"),
    ],
)
def test_a_mistake_is_refused_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        options(**keys)
    (line,) = error.value.errors()
    assert all(step in keys or isinstance(step, int) or step in NESTED for step in line["loc"]), "a place in the file"
    refusal = line.get("ctx", {})["error"]
    assert isinstance(refusal, Refusal)
    assert said in str(refusal)
    assert refusal.remedy
