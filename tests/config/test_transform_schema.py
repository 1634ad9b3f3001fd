"""Transform in the configuration: everything is compiled early, and each mistake has its place."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from api_gateway.config.transform_schema import TransformOptions
from api_gateway.core.clock import ManualClock
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.body.json_limits import JsonLimits
from api_gateway.middleware.request_facts import Seen
from api_gateway.middleware.transform.expression_functions import ExpressionFunctions

EVERYTHING = {
    "request": {
        "headers": {
            "set": {"X-Request-Id": "{request_id}"},
            "add": {"X-Via": "gateway"},
            "remove": ["X-Debug", "X-Internal-*", "X-User-Roles"],
            "rename": {"X-Old": "X-New"},
        },
        "body": {"user_id": "userId", "meta": {"at": "now()", "it's": "a || b"}},
    },
    "response": {
        "headers": {"remove": ["X-Internal-*", "Server"], "set": {"X-User-Id": "{identity.subject}"}},
        "body": "{user_id: userId, joined: format_date(created_at, '%b %-d, %Y')}",
        "statuses": ["200-299", 404],
        "on_error": "pass",
    },
    "max_body": "64KiB",
    "max_depth": 5,
    "max_items": "100",
}


def read(options: object) -> TransformOptions:
    return TransformOptions.model_validate(options)


def mistakes(options: object) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        read(options)
    return [(line["loc"], line["msg"].removeprefix("Value error, ")) for line in caught.value.errors(include_url=False)]


def test_everything_can_be_said() -> None:
    options = read(EVERYTHING)
    assert options.request is not None
    assert options.response is not None
    assert (options.max_body, options.limits) == (65536, JsonLimits(5, 100))
    assert options.response.meant == {*range(200, 300), 404}
    assert options.response.on_error == "pass"
    assert options.request.headers is not None
    headers = options.request.headers.transform.apply(
        Headers({"x-debug": "1", "x-old": "2", "x-user-roles": "r"}),
        Seen(Request("GET", "/"), RequestContext(), ManualClock()),
    )
    assert [*headers] == [("x-new", "2"), ("x-via", "gateway")]


def test_a_mapping_is_the_object_of_its_expressions() -> None:
    options = read(EVERYTHING)
    assert options.request is not None
    assert options.request.expression is not None
    functions = ExpressionFunctions(RequestContext(), ManualClock())
    made = options.request.expression.evaluate({"userId": 5, "b": 6}, functions)
    assert made == {"user_id": 5, "meta": {"at": "1970-01-01T00:00:00.000Z", "it's": 6}}


def test_what_is_not_said_has_a_safe_default() -> None:
    options = read({"response": {"body": "@"}})
    assert options.response is not None
    assert options.response.on_error == "fail"
    assert options.response.meant == set(range(200, 300))
    assert (options.max_body, options.limits) == (1024 * 1024, JsonLimits())
    assert options.request is None
    assert options.response.headers is None


def test_options_survive_being_written_out_and_sent_to_a_worker() -> None:
    options = read(EVERYTHING)
    assert read(options.model_dump(mode="json", exclude_unset=True)) == options
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        ({}, (), "there is nothing to transform"),
        ({"request": {}}, (), "there is nothing to transform"),
        ({"request": {"headers": {}}}, ("request", "headers"), "there is no change"),
        ({"request": {"headers": {"sett": {}}}}, ("request", "headers", "sett"), "did you mean 'set'?"),
        ({"request": {"bodi": "@"}}, ("request", "bodi"), "did you mean 'body'?"),
        (
            {"request": {"headers": {"set": {"X-A": "{reqest_id}"}}}},
            ("request", "headers", "set", "X-A"),
            "unknown name 'reqest_id'; did you mean 'request_id'?",
        ),
        (
            {"request": {"headers": {"add": {"X-A": "{oops"}}}},
            ("request", "headers", "add", "X-A"),
            "write {{ for a brace",
        ),
        (
            {"response": {"headers": {"set": {"X-A": "a\r\nb"}}}},
            ("response", "headers", "set", "X-A"),
            "a header's value is visible ASCII; percent-encode the rest",
        ),
        (
            {"request": {"headers": {"set": {"Host": "x"}}}},
            ("request", "headers", "set", "Host", "[key]"),
            "Host says where the request goes; write 'host' at the route",
        ),
        (
            {"request": {"headers": {"set": {"X-User-Id": "x"}}}},
            ("request", "headers", "set", "X-User-Id", "[key]"),
            "tells a service who is calling, as was proved; choose another name",
        ),
        (
            {"response": {"headers": {"add": {"Content-Length": "1"}}}},
            ("response", "headers", "add", "Content-Length", "[key]"),
            "the gateway's to write; remove it here",
        ),
        (
            {"request": {"headers": {"rename": {"X-A": "Connection"}}}},
            ("request", "headers", "rename", "X-A"),
            "the gateway's to write",
        ),
        (
            {"request": {"headers": {"remove": ["x-a", "*"]}}},
            ("request", "headers", "remove", 1),
            "'*' removes every header",
        ),
        (
            {"response": {"headers": {"remove": ["x-a"], "set": {"X-A": "1"}}}},
            ("response", "headers"),
            "x-a is removed and set; to set it is enough",
        ),
        ({"request": {"body": "snak_case(@)"}}, ("request", "body"), "did you mean 'snake_case'?"),
        ({"request": {"body": {"a": "snak_case(@)"}}}, ("request", "body"), "did you mean 'snake_case'?"),
        ({"request": {"body": "a["}}, ("request", "body"), "cannot be read at character 3"),
        (
            {"request": {"body": {"a": "b", "c": "d("}}},
            ("request", "body"),
            "member 'c': the expression cannot be read",
        ),
        ({"request": {"body": {"a": "b) , c: (d"}}}, ("request", "body"), "member 'a'"),
        ({"request": {"body": {"user_id": "userId", "*": "*"}}}, ("request", "body"), 'write "merge(@, {user_id'),
        ({"request": {"body": {}}}, ("request", "body"), "there is no member"),
        ({"request": {"body": {5: "a"}}}, ("request", "body"), "is not the name of a member"),
        ({"request": {"body": {"a": 5}}}, ("request", "body"), "put it in quotes"),
        ({"request": {"body": ""}}, ("request", "body"), "expected text"),
        ({"response": {"body": "format_date(a, '%Q')"}}, ("response", "body"), "'%Q' is not a part of a date"),
        ({"response": {"body": "@", "on_error": "drop"}}, ("response", "on_error"), "unknown on_error 'drop'"),
        ({"response": {"body": "@", "statuses": [204, 304]}}, ("response",), "have no body to change"),
        ({"response": {"body": "@", "statuses": 99}}, ("response", "statuses"), "neither a status"),
        ({"response": {"headers": {"remove": ["a"]}, "on_error": "pass"}}, ("response",), "where no body is changed"),
        ({"response": {"headers": {"remove": ["a"]}}, "max_body": 5}, (), "max_body means nothing"),
        ({"response": {"body": "@"}, "max_depth": 201}, ("max_depth",), "more than a parser"),
        ({"response": {"body": "@"}, "max_body": 0}, ("max_body",), "the size is zero"),
    ],
)
def test_mistakes_have_their_place_and_a_remedy(options: object, place: tuple[int | str, ...], message: str) -> None:
    ((found, text),) = mistakes(options)
    assert found == place
    assert message in text


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(
        {"request": {"body": "a["}, "response": {"body": "b[", "headers": {"set": {"A": "{x}", "B": "{y}"}}}}
    )
    assert len(found) == 4


def test_the_schema_for_editors_can_be_made() -> None:
    properties = TransformOptions.model_json_schema()["$defs"]["ResponseTransform"]["properties"]
    assert {*properties} == {"headers", "body", "statuses", "on_error"}
