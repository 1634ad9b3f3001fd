"""Security headers in the configuration: what is read, and what is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from api_gateway.config.problems import Refusal
from api_gateway.config.security_headers_schema import SecurityHeadersOptions
from api_gateway.middleware.security_headers import DEFAULTS, REMOVED

NESTED: tuple[str, ...] = ("max_age", "maxage")


def options(**keys: object) -> SecurityHeadersOptions:
    return SecurityHeadersOptions.model_validate(keys)


def test_nothing_written_is_what_the_middleware_does_by_itself() -> None:
    assert options().headers == DEFAULTS
    assert options().remove == REMOVED
    assert not options().override


@pytest.mark.parametrize(
    ("keys", "header", "value"),
    [
        ({"hsts": {"max_age": "730d"}}, "strict-transport-security", "max-age=63072000"),
        ({"hsts": {"max_age": 0}}, "strict-transport-security", "max-age=0"),
        ({"hsts": {"max_age": "1h"}}, "strict-transport-security", "max-age=3600"),
        ({"hsts": {"max_age": 63072000}}, "strict-transport-security", "max-age=63072000"),
        (
            {"hsts": {"include_subdomains": True, "preload": True}},
            "strict-transport-security",
            "max-age=31536000; includeSubDomains; preload",
        ),
        ({"hsts": False}, "strict-transport-security", None),
        ({"content_type_options": False}, "x-content-type-options", None),
        ({"frame_options": "SAMEORIGIN"}, "x-frame-options", "SAMEORIGIN"),
        ({"frame_options": "SAMEORIGIN"}, "content-security-policy", "frame-ancestors 'self'"),
        ({"frame_options": False}, "x-frame-options", None),
        ({"frame_options": False}, "content-security-policy", None),
        ({"content_security_policy": "default-src 'none'"}, "content-security-policy", "default-src 'none'"),
        ({"content_security_policy": False}, "content-security-policy", None),
        ({"referrer_policy": "same-origin"}, "referrer-policy", "same-origin"),
        ({"referrer_policy": "false"}, "referrer-policy", None),
        ({"permissions_policy": "camera=()"}, "permissions-policy", "camera=()"),
        ({"cross_origin_opener_policy": "same-origin"}, "cross-origin-opener-policy", "same-origin"),
        ({"cross_origin_embedder_policy": "require-corp"}, "cross-origin-embedder-policy", "require-corp"),
        ({"cross_origin_resource_policy": "same-site"}, "cross-origin-resource-policy", "same-site"),
    ],
)
def test_an_option_changes_its_header(keys: dict[str, object], header: str, value: str | None) -> None:
    read = options(**keys)
    assert read.headers.get(header) == value
    assert options(**json.loads(read.model_dump_json())) == read


def test_what_goes_and_whose_word_counts_can_be_chosen() -> None:
    read = options(remove=["Server", "x-internal"], override="true")
    assert (read.remove, read.override) == (("Server", "x-internal"), True)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"hsts": {"preload": True}}, "preload is refused"),
        ({"hsts": {"preload": True, "include_subdomains": True, "max_age": "30d"}}, "preload is refused"),
        ({"hsts": {"max_age": "3651d"}}, "out of range for max_age"),
        ({"hsts": {"max_age": -1}}, "out of range for max_age"),
        ({"hsts": {"max_age": "a year"}}, "expected a duration"),
        ({"hsts": {"maxage": "1h"}}, "unknown key 'maxage'; did you mean 'max_age'?"),
        ({"frame_options": "ALLOW-FROM https://a.example"}, "unknown frame_options"),
        ({"frame_options": "deny"}, "unknown frame_options 'deny'"),
        ({"referrer_policy": "never"}, "unknown referrer_policy 'never'"),
        ({"content_security_policy": "a\r\nset-cookie: b"}, "is not a header's value"),
        ({"permissions_policy": "caf\u00e9"}, "is not a header's value"),
        ({"remove": ["Content-Length"]}, "an answer without Content-Length would be another one"),
        ({"remove": ["X-Frame-Options"]}, "x-frame-options is both set and removed"),
        ({"remove": ["a b"]}, "is not a header name"),
        ({"referrer_policy": None}, "expected text, not nothing"),
        ({"referrer_policy": True}, "expected text, not true"),
        ({"nosniff": True}, "unknown key 'nosniff'"),
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
