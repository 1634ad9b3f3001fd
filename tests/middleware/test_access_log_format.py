"""Access log formats: what a line holds, what it never holds, and that nobody can forge one."""

from __future__ import annotations

import json
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.access_log_format import FORMATS, AccessLogEntry, FormatName, safe_target

SECRET = "hunter2secret"
# 2026-03-04T05:06:07.891Z
NOON = 1772600767.891


def entry(
    request: Request | None = None,
    *,
    client: str = "192.0.2.7",
    status: int = 200,
    flag: str = "-",
    error: str = "",
    endpoint: str = "http://127.0.0.1:9001",
) -> AccessLogEntry:
    context = RequestContext(0, client, "http", "1.1")
    context.request_id, context.trace_id = "id-1", "4bf92f3577b34da6a3ce929d0e0e4736"
    context.route, context.service, context.endpoint, context.attempts = "/api/users/*", "users", endpoint, 1
    context.upstream_duration = 2_000_000
    return AccessLogEntry(
        time=NOON,
        request=request or Request("GET", "/api/users/42"),
        context=context,
        status=status,
        bytes_sent=150,
        duration=3_200_000,
        head_duration=2_750_000,
        flag=flag,
        error=error,
    )


def test_a_json_line_holds_every_field_in_order() -> None:
    line = FORMATS["json"](entry())
    assert list(json.loads(line).items()) == [
        ("time", "2026-03-04T05:06:07.891Z"),
        ("request_id", "id-1"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("client", "192.0.2.7"),
        ("method", "GET"),
        ("path", "/api/users/42"),
        ("status", 200),
        ("bytes", 150),
        ("duration_ms", 3.2),
        ("upstream_ms", 2.0),
        ("gateway_ms", 0.75),
        ("route", "/api/users/*"),
        ("service", "users"),
        ("endpoint", "http://127.0.0.1:9001"),
        ("attempts", 1),
        ("flag", "-"),
        ("error", ""),
    ]


def test_a_combined_line_is_apaches() -> None:
    request = Request("GET", "/a?x=1", {"user-agent": "curl/8", "referer": "https://shop.example/cart"})
    assert FORMATS["combined"](entry(request)) == (
        '192.0.2.7 - - [04/Mar/2026:05:06:07 +0000] "GET /a?x HTTP/1.1" 200 150 "https://shop.example/cart" "curl/8"'
    )


def test_a_combined_line_has_hyphens_for_what_is_not_known() -> None:
    assert FORMATS["combined"](entry(client="")).startswith("- - - [")
    assert FORMATS["combined"](entry()).endswith('"-" "-"')


def test_a_human_line_is_in_columns() -> None:
    assert FORMATS["human"](entry()) == (
        "05:06:07.891  200  GET     /api/users/42                    users 127.0.0.1:9001             3.2 ms"
    )


def test_a_human_line_says_what_failed() -> None:
    line = FORMATS["human"](entry(status=504, flag="UT", error="users: no answer in 3 s"))
    assert line.endswith("3.2 ms  UT  users: no answer in 3 s")


def test_a_human_line_without_a_service_has_a_hyphen() -> None:
    refused = entry(Request("GET", "/nowhere"), status=404, flag="NR")
    refused.context.service = refused.context.endpoint = ""
    assert re.search(r"/nowhere +- +3\.2 ms  NR$", FORMATS["human"](refused))


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/a", "/a"),
        ("/a?", "/a"),
        (f"/a?token={SECRET}", "/a?token"),
        (f"/a?page=2&api_key={SECRET}&sort=name", "/a?page&api_key&sort"),
        (f"/a?filter[name]={SECRET}", "/a?filter[name]"),
        (f"/a?{SECRET}", "/a?*"),
        (f"/a?&{SECRET}&=", "/a?*&*&*"),
        (f"/a?={SECRET}", "/a?*"),
        (f"/a?a=b={SECRET}", "/a?a"),
        (f"/a?a=b;token={SECRET}", "/a?a"),
        (f"/a?{SECRET}%3D", "/a?*"),
        (f"/a?{'n' * 33}=1", "/a?*"),
        (f"/a;jsessionid={SECRET}", "/a;*"),
        (f"/a;{SECRET}/b;v=1/c?x=1", "/a;*/b;*/c?x"),
        (f"http://user:{SECRET}@host/a", "*"),
        ("", "*"),
    ],
)
def test_of_a_target_only_what_cannot_be_a_credential_is_shown(target: str, shown: str) -> None:
    assert safe_target(Request("GET", target)) == shown


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/a", {"authorization": f"Bearer {SECRET}"}),
        Request("GET", "/a", {"proxy-authorization": f"Basic {SECRET}"}),
        Request("GET", "/a", {"cookie": f"session={SECRET}"}),
        Request("GET", "/a", {"x-api-key": SECRET}),
        Request("GET", f"/a?api_key={SECRET}&x=1"),
        Request("GET", f"/a;token={SECRET}"),
        Request("GET", "/a", {"referer": f"https://app.example/callback?code={SECRET}"}),
        Request("GET", "/a", {"referer": f"https://app.example/#access_token={SECRET}"}),
        Request("GET", "/a", {"referer": f"https://user:{SECRET}@app.example/"}),
        Request("GET", "/a", {"referer": f"https://app.example/a;token={SECRET}"}),
        Request("GET", "/a", {"referer": SECRET}),
        Request("POST", "/a", body=SECRET.encode()),
    ],
    ids=repr,
)
def test_no_credential_is_in_any_line(format_name: FormatName, request_: Request) -> None:
    line = FORMATS[format_name](entry(request_, error=f"No route matches {request_.path}."))
    assert SECRET not in line
    assert "/a" in line


NASTY = st.text(max_size=30)


@given(st.sampled_from(sorted(FORMATS)), NASTY, NASTY, NASTY, NASTY, NASTY)
def test_nobody_can_forge_a_line(
    format_name: FormatName, method: str, path: str, client: str, error: str, endpoint: str
) -> None:
    agent = Headers.from_pairs([(b"user-agent", error.encode()), (b"referer", b"https://a/" + path.encode())])
    request = Request.from_parts(method, "/" + path, path, agent, b"")
    line = FORMATS[format_name](entry(request, client=client, error=error, flag="UF", endpoint=endpoint))
    assert set(line) <= set(string.printable) - set("\r\n\t\v\f")
    if format_name == "json":
        fields = json.loads(line)
        assert (fields["status"], fields["method"], fields["client"], fields["flag"]) == (200, method, client, "UF")
    if format_name == "combined":
        assert re.fullmatch(r'[^"]* - - \[[^]"]*\] "[^"]*" 200 150 "[^"]*" "[^"]*"', line)


def test_quotes_backslashes_and_control_characters_are_written_as_numbers() -> None:
    agent = Headers.from_pairs([(b"user-agent", b'a"b\\c\x1b[31m\xe9')])
    line = FORMATS["combined"](entry(Request.from_parts("GET", "/a", "", agent, b"")))
    assert line.endswith(r'"a\x22b\x5cc\x1b[31m\xe9"')
    assert FORMATS["human"](entry(flag="UF", error="\u2028 \U0001f600")).endswith(r"UF  \u2028 \u1f600")


def test_a_path_cannot_pretend_to_be_further_columns() -> None:
    line = FORMATS["human"](entry(Request("GET", "/a        users 127.0.0.1:1")))
    assert r"/a\x20\x20" in line


def test_the_gateways_own_time_is_never_negative() -> None:
    slow = entry()
    slow.context.upstream_duration = 99_000_000
    assert json.loads(FORMATS["json"](slow))["gateway_ms"] == 0
