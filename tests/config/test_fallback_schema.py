"""Fallbacks in the configuration: one answer, stated or a service's, and no circles."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api_gateway.config.fallback_schema import FallbackConfig, check_fallbacks


def read(**keys: object) -> FallbackConfig:
    return FallbackConfig.model_validate(keys)


def test_a_mapping_is_json_and_a_text_is_text() -> None:
    status, headers, body = read(body={"items": [], "note": "später"}).response
    assert (status, json.loads(body)) == (200, {"items": [], "note": "später"})
    assert headers.get("content-type") == "application/json"
    status, headers, body = read(status=503, headers={"Retry-After": "30"}, body="Back soon.").response
    assert (status, headers.get("retry-after"), body) == (503, "30", b"Back soon.")
    assert headers.get("content-type") == "text/plain; charset=utf-8"


def test_a_content_type_that_is_given_holds() -> None:
    headers = read(headers={"Content-Type": "application/hal+json"}, body={}).response[1]
    assert headers.get_all("content-type") == ["application/hal+json"]


def test_a_status_alone_is_enough() -> None:
    status, headers, body = read(status="204").response
    assert (status, len(headers), body) == (204, 0, b"")


def test_a_service_may_answer() -> None:
    config = read(service="static", on=["connect_error", "502-504", "circuit_open"])
    assert (config.service, config.on) == ("static", ("connect_error", 502, 503, 504, "circuit_open"))
    assert read(service="static").on is None


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "there is nothing to answer with; add a body, a status or a service"),
        ({"on": [503]}, "there is nothing to answer with"),
        ({"headers": {"a": "b"}}, "there is nothing to answer with"),
        ({"service": "s", "body": "x", "status": 200}, "the service answers, so body and status would be of no use"),
        ({"status": 204, "body": "x"}, "an answer of status 204 has no body"),
        ({"status": 199}, "is not the status of an answer"),
        ({"status": True}, "true is not the status of an answer"),
        ({"body": 7}, "expected a body, not the number 7"),
        ({"body": {"x": float("nan")}}, "cannot be written as JSON"),
        ({"body": {"x": {1, 2}}}, "cannot be written as JSON"),
        ({"body": "x", "headers": {"content-length": "1"}}, "content-length follows from the body"),
        ({"body": "x", "headers": {"connection": "close"}}, "the edge removes it"),
        ({"body": "x", "headers": {"a b": "c"}}, "not a header name"),
        ({"body": "x", "headers": {"a": "b\r\nc: d"}}, "control character"),
        ({"body": "x", "headers": {"a": 1}}, "put it in quotes"),
        ({"body": "x", "headers": ["a"]}, "expected a mapping"),
        ({"body": "x", "on": [404]}, "a fallback hides no error of the client's"),
        ({"body": "x", "on": ["circuit"]}, "unknown failure 'circuit'; did you mean 'circuit_open'?"),
        ({"json": {}}, "unknown key 'json'"),
    ],
)
def test_mistakes_are_told(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FallbackConfig.model_validate(keys)
    assert text in str(caught.value)


def test_a_key_that_yaml_1_1_took_for_true_is_told() -> None:
    with pytest.raises(ValidationError, match="put it in quotes there: 'on'"):
        FallbackConfig.model_validate({True: [503], "body": "x"})


def test_it_survives_being_sent_on() -> None:
    for config in (read(body={"a": [1, None]}, status=200, on=["reset"]), read(service="s")):
        assert pickle.loads(pickle.dumps(config)) == config
        sent = json.loads(config.model_dump_json(exclude_unset=True))
        assert FallbackConfig.model_validate(sent) == config
    assert set(FallbackConfig.model_json_schema()["properties"]) == set(FallbackConfig.model_fields)


def test_a_service_must_exist() -> None:
    (finding,) = check_fallbacks({"users": read(service="sttic")}, ["users", "static"])
    assert finding.path == ("services", "users", "fallback", "service")
    assert (finding.cause, finding.remedy) == (
        "service 'sttic' is not defined",
        "define it under 'services'; did you mean 'static'?",
    )


def test_services_that_stand_in_for_each_other_in_a_circle_are_refused() -> None:
    fallbacks = {"a": read(service="b"), "b": read(service="c"), "c": read(service="b"), "d": read(body="x")}
    causes = {finding.path[1]: finding.cause for finding in check_fallbacks(fallbacks, "abcd")}
    assert causes == {
        "b": "these services stand in for each other in a circle: b -> c -> b",
        "c": "these services stand in for each other in a circle: c -> b -> c",
    }
    assert [finding.path[1] for finding in check_fallbacks({"a": read(service="a")}, "a")] == ["a"]


@given(st.dictionaries(st.sampled_from("abcde"), st.sampled_from("abcde")))
def test_without_findings_every_chain_ends(services: dict[str, str]) -> None:
    fallbacks = {name: read(service=service) for name, service in services.items()}
    found = {finding.path[1] for finding in check_fallbacks(fallbacks, "abcde")}
    for name in services:
        steps, at = 0, name
        while at in services and at not in found and steps <= len(services):
            steps, at = steps + 1, services[at]
        assert steps <= len(services)
