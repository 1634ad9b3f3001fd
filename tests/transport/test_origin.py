"""An endpoint's base URL, taken apart or refused."""

from __future__ import annotations

import pytest

from api_gateway.core.errors import ConfigurationError
from api_gateway.transport.origin import Origin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://users:9001", Origin("users", 9001, False, "users:9001", "")),
        ("http://users", Origin("users", 80, False, "users", "")),
        ("https://users.example/", Origin("users.example", 443, True, "users.example", "")),
        ("https://users.example:8443/v1/x/", Origin("users.example", 8443, True, "users.example:8443", "/v1/x")),
        ("http://[::1]:9001/a%20b", Origin("::1", 9001, False, "[::1]:9001", "/a%20b")),
        ("HTTP://Users:9001", Origin("users", 9001, False, "Users:9001", "")),
    ],
)
def test_a_url_gives_address_authority_and_base_path(url: str, expected: Origin) -> None:
    assert Origin.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "users:9001", "//users:9001", "ftp://users", "http://", "http:///path", "http://users:port",
        "http://users:99999", "http://users:-1", "http://[::1", "http://name:secret@users", "http://:secret@users",
        "http://@users", "http://users?x=1", "http://users#x", "http://users/a b", "http://users/\r\nx: 1",
        "http://us\ners", "http://b\xfccher.example", "http://users/\x00",
    ],
)  # fmt: skip
def test_what_is_not_the_url_of_an_origin_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Origin.parse(url)
