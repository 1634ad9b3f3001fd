"""Serving: whole, in part, or as 304."""

from __future__ import annotations

import pytest

from api_gateway.caching.serving import serve, ttl_of
from api_gateway.caching.verdicts import Serve
from tests.support.caching import DEFAULT, NOW, asking, date, storing

_STORED = storing(
    ("cache-control", "max-age=60"),
    ("etag", '"a"'),
    ("last-modified", date(-1000)),
    ("content-type", "text/plain"),
    ("content-length", "10"),
    ("age", "7"),
)


def _serving(*headers: tuple[str, str], method: str = "GET") -> Serve:
    return serve(asking(*headers, method=method), _STORED, NOW + 5.9, DEFAULT)


def test_the_whole_has_one_age_and_a_status() -> None:
    answer = _serving()
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers.get_all("age") == ["12"]  # 4: MUST generate
    assert list(answer.headers)[-1] == ("cache-status", "api-gateway; hit; ttl=47")
    assert answer.headers.get("date") == date()
    assert _STORED.headers.get("age") == "7"


def test_a_head_has_the_fields_and_no_body() -> None:
    answer = _serving(("range", "bytes=0-1"), method="HEAD")
    assert (answer.status, answer.body, answer.headers.get("content-length")) == (200, b"", "10")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", [("if-none-match", 'W/"a"'), ("if-modified-since", date())])
def test_a_client_that_has_it_gets_a_304(condition: tuple[str, str], method: str) -> None:
    answer = _serving(condition, ("range", "bytes=0-1"), method=method)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers.get("etag") == '"a"'
    assert "age" in answer.headers
    assert "content-length" not in answer.headers


def test_a_client_that_has_another_gets_this_one() -> None:
    assert _serving(("if-none-match", '"b"'), ("if-modified-since", date())).status == 200


def test_a_part_says_where_it_is_from() -> None:
    answer = _serving(("range", "bytes=2-4"))
    assert (answer.status, answer.body) == (206, b"234")
    assert answer.headers.get_all("content-length") == ["3"]
    assert answer.headers.get("content-range") == "bytes 2-4/10"
    assert "etag" in answer.headers


def test_a_part_behind_the_end_is_416() -> None:
    answer = _serving(("range", "bytes=10-"))
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers.get("content-range") == "bytes */10"
    assert answer.headers.get_all("content-length") == ["0"]


def test_a_part_of_another_version_is_the_whole() -> None:
    assert _serving(("range", "bytes=0-1"), ("if-range", '"b"')).status == 200


def test_conditions_and_ranges_do_not_apply_to_other_statuses() -> None:
    missing = storing(("cache-control", "max-age=60"), ("etag", '"a"'), status=404)
    asked = asking(("if-none-match", '"a"'), ("range", "bytes=0-1"))
    assert serve(asked, missing, NOW, DEFAULT).status == 404


def test_the_ttl_is_negative_past_the_end() -> None:
    assert ttl_of(_STORED, NOW + 53, DEFAULT) == 0
    assert ttl_of(_STORED, NOW + 53.5, DEFAULT) == -1
