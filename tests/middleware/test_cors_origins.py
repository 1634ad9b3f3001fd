"""CORS origins: every trick by which one origin looks like another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.cors_origins import CorsOrigins

EXACT = CorsOrigins(["https://app.example", "http://localhost:3000", "capacitor://localhost", "https://[::1]:8443"])
BELOW = CorsOrigins(["https://*.shop.example", "https://*.dev.example:8443"])


@pytest.mark.parametrize(
    "origin", ["https://app.example", "http://localhost:3000", "capacitor://localhost", "https://[::1]:8443"]
)
def test_a_listed_origin_is_allowed(origin: str) -> None:
    assert EXACT.allow(origin.encode())


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "http://app.example",
        "https://app.example:443",
        "https://app.example:8443",
        "https://app.example.",
        "https://app.example/",
        "https://app.example.evil.test",
        "https://evil-app.example",
        "https://evilapp.example",
        "https://sub.app.example",
        "https://App.Example",
        "HTTPS://app.example",
        "https://user@app.example",
        "https://app.example@evil.test",
        "https://app.example https://evil.test",
        "https://app.example, https://evil.test",
        "https://app.example\u3002evil.test",
        "https://\u0430pp.example",
        "https://app.example%00",
        "app.example",
        "//app.example",
        "http://localhost",
        "http://localhost:30000",
    ],
)
def test_what_only_looks_like_it_is_not(origin: str) -> None:
    assert not EXACT.allow(origin.encode("utf-8"))


@pytest.mark.parametrize(
    "origin",
    ["https://a.shop.example", "https://a.b-c.shop.example", "https://a_b.shop.example", "https://x.dev.example:8443"],
)
def test_a_pattern_allows_every_name_below(origin: str) -> None:
    assert BELOW.allow(origin.encode())


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "https://.shop.example",
        "https://evil-shop.example",
        "https://evilshop.example",
        "https://a.shop.example.evil.test",
        "https://a.shop.example.",
        "https://a..shop.example",
        "https://.a.shop.example",
        "https://a.shop.example:443",
        "https://a.shop.example:8443",
        "https://a.dev.example",
        "https://a.dev.example:84430",
        "http://a.shop.example",
        "https://A.shop.example",
        "https://evil.test/.shop.example",
        "https://evil.test:80.shop.example",
        "https://evil.test?.shop.example",
        "https://evil.test#.shop.example",
        "https://evil.test\\.shop.example",
        "https://user@a.shop.example",
        "https://user:pass@a.shop.example",
        "https://evil.test https://a.shop.example",
        "https://evil.test,https://a.shop.example",
        "https://\u0430.shop.example",
        "https://a\uff0eshop.example",
        "https://a\n.shop.example",
        "https://a.shop.example\n",
        "https://*.shop.example",
        "null",
        "https://" + "a" * 300 + ".shop.example",
    ],
)
def test_no_trick_gets_by_a_pattern(origin: str) -> None:
    assert not BELOW.allow(origin.encode("utf-8"))


@given(st.one_of(st.binary(max_size=40), st.text(alphabet="a.-:/@%?#\\ *", max_size=12).map(str.encode)))
def test_what_stands_for_the_star_is_labels_of_a_host_name_and_nothing_else(between: bytes) -> None:
    labels = between.split(b".")
    are_labels = all(label and set(label) <= set(b"abcdefghijklmnopqrstuvwxyz0123456789-_") for label in labels)
    assert BELOW.allow(b"https://" + between + b".shop.example") == are_labels


@given(st.binary(max_size=60))
def test_nothing_but_the_listed_origins_is_allowed_exactly(origin: bytes) -> None:
    assert not EXACT.allow(origin) or origin in (
        b"https://app.example",
        b"http://localhost:3000",
        b"capacitor://localhost",
        b"https://[::1]:8443",
    )


def test_a_star_is_every_origin() -> None:
    assert CorsOrigins(["*"]).any
    assert CorsOrigins(["*"]).allow(b"null")
    assert not BELOW.any


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("null", "sandboxed"),
        ("https://app.example/", "no slash at the end"),
        ("https://app.example/path", "is not an origin"),
        ("app.example", "is not an origin"),
        ("https://App.example", "lower case"),
        ("https://b\u00fccher.example", "xn--"),
        ("https://app.example:443", "default port of https"),
        ("http://app.example:80", "default port of http"),
        ("https://app.example:0", "is not an origin"),
        ("https://user@app.example", "is not an origin"),
        ("https://app.example.", "is not an origin"),
        ("https://*", "is not an origin"),
        ("https://a.*.example", "is not an origin"),
        ("https://*app.example", "is not an origin"),
        ("https://*.com", "top-level domain"),
        ("https://*.[::1]", "top-level domain"),
        ("*://app.example", "is not an origin"),
        ("", "is not an origin"),
    ],
)
def test_what_no_browser_would_send_or_means_too_many_is_refused(origin: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        CorsOrigins([origin])
    assert said in str(error.value)


def test_a_star_stands_alone_and_something_must_be_listed() -> None:
    with pytest.raises(ConfigurationError, match="nothing to add"):
        CorsOrigins(["*", "https://app.example"])
    with pytest.raises(ConfigurationError, match="no origins"):
        CorsOrigins([])
