"""Media types: read in one way or refused, and taken only where they were named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import BadRequest, ConfigurationError, UnsupportedMediaType
from api_gateway.core.headers import Headers
from api_gateway.middleware.body.media_type import AcceptedTypes, parse_media_type


@pytest.mark.parametrize(
    ("value", "essence", "charset"),
    [
        ("application/json", "application/json", ""),
        ("Application/JSON; Charset=UTF-8", "application/json", "utf-8"),
        ('application/json ;\tcharset="utf\\-8" ', "application/json", "utf-8"),
        ("application/vnd.shop+json;v=2;;charset=utf-8;", "application/vnd.shop+json", "utf-8"),
        ('text/plain; note="a;charset=utf-16"', "text/plain", ""),
    ],
)
def test_a_type_is_read_with_its_charset(value: str, essence: str, charset: str) -> None:
    assert parse_media_type(value) == (essence, charset)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "json",
        "application/",
        "/json",
        "application/json, text/plain",
        "application/json charset=utf-8",
        "application/json; charset",
        "application/json; charset=",
        "application/json; charset =utf-8",
        'application/json; charset="utf-8',
        "application/json; charset=utf-8; CHARSET=utf-16",
        "application/json\xa0",
    ],
)
def test_what_has_no_single_reading_is_a_bad_request(value: str) -> None:
    with pytest.raises(BadRequest):
        parse_media_type(value)


@pytest.mark.parametrize(
    ("names", "value", "taken"),
    [
        (["application/json"], "APPLICATION/json; charset=utf-8", True),
        (["Application/JSON"], "application/json", True),
        (["application/json"], "application/problem+json", False),
        (["application/json"], "application/jsonx", False),
        (["application/json"], "text/json", False),
        (["application/*+json"], "application/problem+json", True),
        (["application/*+json"], "application/json", False),
        (["application/*+json"], "text/x+json", False),
        (["text/*"], "text/csv", True),
        (["text/*"], "textual/csv", False),
        (["text/csv", "application/xml"], "application/xml", True),
    ],
)
def test_only_what_was_named_is_taken(names: list[str], value: str, taken: bool) -> None:
    accepted = AcceptedTypes(names)
    if taken:
        accepted.check(Headers({"content-type": value}))
    else:
        with pytest.raises(UnsupportedMediaType) as caught:
            accepted.check(Headers({"content-type": value}))
        assert caught.value.headers.get("accept") == ", ".join(name.lower() for name in names)
        assert value not in caught.value.detail


def test_no_type_is_not_taken_and_two_are_ambiguous() -> None:
    accepted = AcceptedTypes(["application/json"])
    with pytest.raises(UnsupportedMediaType):
        accepted.check(Headers())
    with pytest.raises(BadRequest):
        accepted.check(Headers([("content-type", "application/json"), ("content-type", "application/json")]))


@pytest.mark.parametrize("names", [[], [""], ["json"], ["*/*"], ["application/"], ["a/b; q=1"], ["a/*b"], ["a/b,c/d"]])
def test_a_name_that_is_no_type_is_a_configuration_error(names: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        AcceptedTypes(names)


def test_a_long_value_is_not_slow_and_not_remembered() -> None:
    with pytest.raises(BadRequest):
        parse_media_type("a/b" + ' ; a="' + "\\" * 30_001)
    assert parse_media_type("a/b" + "; " * 15_000 + ";charset=x").charset == "x"


@given(st.one_of(st.text(), st.text(alphabet='ab/+;= \t"\\*-')))
def test_any_text_is_read_or_refused(value: str) -> None:
    try:
        essence, charset = parse_media_type(value)
    except BadRequest:
        return
    assert essence == essence.lower()
    assert essence.count("/") == 1
    assert charset == charset.lower()
