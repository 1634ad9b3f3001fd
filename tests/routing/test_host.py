"""Host: the name a request is for, and the patterns that cover it."""

from __future__ import annotations

import pytest

from api_gateway.core.request import Request
from api_gateway.routing.host import host_name, host_patterns


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.", "example.com"),
        ("example.com.:80", "example.com"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:8443", "[2001:db8::1]"),
        ("", ""),
    ],
)
def test_a_host_name_is_lower_case_without_port_or_trailing_dot(host: str, name: str) -> None:
    assert host_name(Request("GET", "/", {"host": host})) == name


def test_no_host_header_is_no_host() -> None:
    assert host_name(Request("GET", "/")) == ""


@pytest.mark.parametrize(
    ("host", "patterns"),
    [
        ("A.b.example.com:80", ["a.b.example.com", "*.b.example.com", "*.example.com", "*.com", ""]),
        ("localhost", ["localhost", ""]),
        ("[::1]:80", ["[::1]", ""]),
        ("", [""]),
    ],
)
def test_the_patterns_for_a_host_go_from_its_own_name_to_any(host: str, patterns: list[str]) -> None:
    assert list(host_patterns(Request("GET", "/", {"host": host}))) == patterns
