"""Conformance of the cache, from socket to socket: freshness, how fields are read, which statuses and fields are kept.

The gateway is `api-gateway serve` with one route, one service and nothing but a cache. Each case says what RFC 9111
asks; the neighbours of this file have validation, requests, what is stale or cut, and many at once.
"""

from __future__ import annotations

import pytest

from tests.support.cache_cases import Ask, Case, Rig, each, pair
from tests.support.cache_origin import Answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = "cache-control: max-age=3600"


@each(
    pair("freshness-none", "", "miss"),
    pair("freshness-max-age", HOUR, "hit"),
    pair("freshness-max-age-0", "cache-control: max-age=0", "miss"),
    pair("freshness-max-age-0-expires", "cache-control: max-age=0\nexpires: {+3600}", "miss"),
    pair("freshness-max-age-age", "cache-control: max-age=10\nage: 15", "miss"),
    pair("freshness-max-age-age-equal", "cache-control: max-age=10\nage: 10", "miss"),
    pair("freshness-max-age-age-below", "cache-control: max-age=3600\nage: 3000", "hit", has="age:"),
    pair("freshness-max-age-date", "cache-control: max-age=3600\ndate: {-7200}", "miss"),
    pair("freshness-max-age-date-past", "cache-control: max-age=7200\ndate: {-3600}", "hit"),
    pair("freshness-max-age-date-future", "cache-control: max-age=3600\ndate: {+7200}", "hit"),
    pair("freshness-max-age-date-and-age", "cache-control: max-age=100\ndate: {-200}\nage: 10", "miss"),
    pair("freshness-max-age-expires-past", "cache-control: max-age=3600\nexpires: {-3600}", "hit"),
    pair("freshness-max-age-expires-invalid", "cache-control: max-age=3600\nexpires: 0", "hit"),
    pair("freshness-s-maxage", "cache-control: s-maxage=3600", "hit"),
    pair("freshness-s-maxage-0", "cache-control: s-maxage=0", "miss"),
    pair("freshness-s-maxage-shorter", "cache-control: max-age=1000, s-maxage=10\nage: 100", "miss"),
    pair("freshness-s-maxage-shorter-first", "cache-control: s-maxage=10, max-age=1000\nage: 100", "miss"),
    pair(
        "freshness-s-maxage-shorter-line", "cache-control: max-age=1000\ncache-control: s-maxage=10\nage: 100", "miss"
    ),
    pair("freshness-s-maxage-longer", "cache-control: max-age=10, s-maxage=1000\nage: 100", "hit"),
    pair("freshness-s-maxage-longer-line", "cache-control: s-maxage=1000\ncache-control: max-age=10\nage: 100", "hit"),
    pair("freshness-s-maxage-0-max-age", "cache-control: s-maxage=0, max-age=3600", "miss"),
    pair("freshness-s-maxage-invalid", "cache-control: s-maxage=a1, max-age=3600", "miss"),
    pair("freshness-expires-future", "expires: {+3600}", "hit"),
    pair("freshness-expires-past", "expires: {-3600}", "miss"),
    pair("freshness-expires-present", "expires: {0}", "miss"),
    pair("freshness-expires-old-date", "date: {-7200}\nexpires: {-3600}", "miss"),
    pair("freshness-expires-old-date-fresh", "date: {-1800}\nexpires: {+1800}", "hit"),
    pair("freshness-expires-future-date", "date: {+7200}\nexpires: {+3600}", "miss"),
    pair("freshness-expires-age-fast-date", "date: {+3600}\nexpires: {+3700}\nage: 200", "miss"),
    pair("freshness-expires-age", "expires: {+100}\nage: 200", "miss"),
    pair("freshness-expires-s-maxage-0", "cache-control: s-maxage=0\nexpires: {+3600}", "miss"),
)
async def test_freshness(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    pair("max-age-quoted", 'cache-control: max-age="3600"', "hit"),
    pair("max-age-single-quoted", "cache-control: max-age='3600'", "miss"),
    pair("max-age-in-a-quoted-string", 'cache-control: extension="max-age=3600", max-age=1\nage: 10', "miss"),
    pair("max-age-in-a-quoted-string-behind", 'cache-control: max-age=1, extension="max-age=3600"\nage: 10', "miss"),
    pair("max-age-in-a-quoted-string-alone", 'cache-control: extension="a, max-age=3600"', "miss"),
    pair("max-age-both-quoted", 'cache-control: extension="max-age=3600", max-age="1"\nage: 10', "miss"),
    pair("no-store-in-a-quoted-string", 'cache-control: extension="no-store, private", max-age=3600', "hit"),
    pair("no-store-in-a-quoted-escape", 'cache-control: extension="a\\", no-store", max-age=3600', "hit"),
    pair("max-age-space-before-equals", "cache-control: max-age =3600", "miss"),
    pair("max-age-space-after-equals", "cache-control: max-age= 3600", "miss"),
    pair("max-age-a100", "cache-control: max-age=a100", "miss"),
    pair("max-age-100a", "cache-control: max-age=100a", "miss"),
    pair("max-age-1h", "cache-control: max-age=1h", "miss"),
    pair("max-age-negative", "cache-control: max-age=-3600", "miss"),
    pair("max-age-plus", "cache-control: max-age=+3600", "miss"),
    pair("max-age-decimal", "cache-control: max-age=3600.0", "miss"),
    pair("max-age-empty", "cache-control: max-age=", "miss"),
    pair("max-age-without-value", "cache-control: max-age", "miss"),
    pair("max-age-leading-zero", "cache-control: max-age=003600", "hit"),
    pair("max-age-2-31", "cache-control: max-age=2147483648", "hit"),
    pair("max-age-past-2-31", "cache-control: max-age=99999999999", "hit"),
    pair("max-age-past-2-64", "cache-control: max-age=99999999999999999999999999", "hit"),
    pair("max-age-case", "cache-control: MaX-aGe=3600", "hit"),
    pair("max-age-extension", "cache-control: foobar, max-age=3600, other=1", "hit"),
    pair("max-age-no-space", "cache-control: foobar,max-age=3600,other", "hit"),
    pair("max-age-tabs", "cache-control: foobar,\t max-age=3600\t,other", "hit"),
    pair("max-age-empty-members", "cache-control: , ,max-age=3600,,", "hit"),
    pair("max-age-two-lines", "cache-control: foobar\ncache-control: max-age=3600", "hit"),
    pair("max-age-semicolon", "cache-control: public; max-age=3600", "miss"),
    pair("max-age-prefix", "cache-control: x-max-age=3600", "miss"),
    pair("max-age-suffix", "cache-control: max-age-x=3600", "miss"),
    pair("max-age-twice-the-first", "cache-control: max-age=1, max-age=3600\nage: 10", "miss"),
    pair("max-age-twice-invalid", "cache-control: max-age=a, max-age=3600", "miss"),
    pair("no-store-case", "cache-control: No-StOrE, max-age=3600", "miss"),
    pair("no-store-own-line", "cache-control: max-age=3600\ncache-control: no-store", "miss"),
    pair("no-store-with-value", "cache-control: no-store=1, max-age=3600", "miss"),
    pair("quotes-that-do-not-end", 'cache-control: max-age=3600, x="abc', "miss"),
)
async def test_cache_control_is_read_so_that_a_mistake_never_widens_it(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    pair("expires-rfc850", "expires: {+3600 rfc850}", "hit"),
    pair("expires-asctime", "expires: {+3600 asctime}", "hit"),
    pair("expires-asctime-past", "expires: {-3600 asctime}", "miss"),
    pair("expires-0", "expires: 0", "miss"),
    pair("expires-empty", "expires:", "miss"),
    pair("expires-word", "expires: tomorrow", "miss"),
    pair("expires-seconds", "expires: 3600", "miss"),
    pair("expires-two", "expires: {-3600}\nexpires: {+3600}", "miss"),
    pair("expires-list", "expires: {+3600}, {+3600}", "miss"),
    pair("expires-32-bits", "expires: Tue, 19 Jan 2038 14:14:08 GMT", "hit"),
    pair("expires-far-future", "expires: Sun, 21 Nov 2286 04:46:39 GMT", "hit"),
    pair("expires-wrong-case", "expires: THU, 18 AUG 2050 02:01:18 gMT", "hit"),
    pair("expires-no-zone", "expires: Thu, 18 Aug 2050 02:01:18", "miss"),
    pair("expires-other-zone", "expires: Thu, 18 Aug 2050 02:01:18 EST", "miss"),
    pair("expires-aest", "expires: Thu, 18 Aug 2050 02:01:18 AEST", "miss"),
    pair("expires-offset", "expires: Thu, 18 Aug 2050 02:01:18 +0000", "miss"),
    pair("expires-utc", "expires: Thu, 18 Aug 2050 02:01:18 UTC", "miss"),
    pair("expires-no-comma", "expires: Thu 18 Aug 2050 02:01:18 GMT", "miss"),
    pair("expires-dashes", "expires: Thu, 18-Aug-2050 02:01:18 GMT", "miss"),
    pair("expires-many-spaces", "expires: Thu, 18  Aug  2050 02:01:18 GMT", "miss"),
    pair("expires-dots", "expires: Thu, 18 Aug 2050 02.01.18 GMT", "miss"),
    pair("expires-one-digit-hour", "expires: Thu, 18 Aug 2050 2:01:18 GMT", "miss"),
    pair("expires-no-minutes", "expires: Thu, 18 Aug 2050 02 GMT", "miss"),
    pair("expires-two-digit-year", "expires: Thu, 18 Aug 50 02:01:18 GMT", "miss"),
    pair("expires-two-minutes", "expires: Thu, 18 Aug 2050 02:61:18 GMT", "miss"),
    pair("expires-trailing", "expires: Thu, 18 Aug 2050 02:01:18 GMT; x=1", "miss"),
    pair("expires-quoted", 'expires: "Thu, 18 Aug 2050 02:01:18 GMT"', "miss"),
)
async def test_expires_is_a_date_or_long_ago(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    pair("age-larger", "cache-control: max-age=3600\nage: 7200", "miss"),
    pair("age-2-31", "cache-control: max-age=3600\nage: 2147483648", "miss"),
    pair("age-overflow", "cache-control: max-age=3600\nage: 99999999999999999999", "miss"),
    pair("age-negative", "cache-control: max-age=3600\nage: -7200", "hit"),
    pair("age-word", "cache-control: max-age=3600\nage: abc", "hit"),
    pair("age-empty", "cache-control: max-age=3600\nage:", "hit"),
    pair("age-list-first-large", "cache-control: max-age=3600\nage: 7200, 0", "miss"),
    pair("age-list-first-small", "cache-control: max-age=3600\nage: 0, 7200", "hit"),
    pair("age-two-lines-first-large", "cache-control: max-age=3600\nage: 7200\nage: 0", "miss"),
    pair("age-two-lines-first-small", "cache-control: max-age=3600\nage: 0\nage: 7200", "hit"),
)
async def test_age_counts(rig: Rig, case: Case) -> None:
    await rig.run(case)


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
async def test_what_does_not_say_for_how_long_is_kept_where_its_status_allows_guessing(rig: Rig, status: int) -> None:
    answer = Answer("last-modified: {-86400}", status)
    await rig.run(Case(f"heuristic-{status}", [answer], [Ask("miss", status=status), Ask("hit", status=status)]))


@pytest.mark.parametrize("status", [201, 202, 299, 302, 303, 307, 400, 403, 451, 499, 500, 502, 503, 504, 599])
async def test_and_not_where_it_does_not(rig: Rig, status: int) -> None:
    answer = Answer("last-modified: {-86400}", status)
    await rig.run(Case(f"heuristic-{status}", [answer], [Ask("miss", status=status), Ask("miss", status=status)]))


@each(
    Case(
        "heuristic-599-public",
        [Answer("cache-control: public\nlast-modified: {-86400}", 599)],
        [Ask("miss", status=599), Ask("hit", status=599)],
    ),
    pair("heuristic-month", "last-modified: {-2592000}", "hit"),
    pair("heuristic-old-date", "last-modified: {-86400}\ndate: {-43200}", "validated"),
    pair("heuristic-age", "last-modified: {-86400}\nage: 43200", "validated"),
    pair("heuristic-future", "last-modified: {+86400}", "validated"),
    pair("heuristic-malformed", "last-modified: yesterday", "validated"),
    pair("heuristic-expires-0", "last-modified: {-86400}\nexpires: 0", "validated"),
    pair("heuristic-max-age-0", "last-modified: {-86400}\ncache-control: max-age=0", "validated"),
    pair("heuristic-no-store", "last-modified: {-86400}\ncache-control: no-store", "miss"),
    pair("heuristic-public-without-date-of-change", "cache-control: public", "miss"),
)
async def test_heuristics(rig: Rig, case: Case) -> None:
    await rig.run(case)


KEPT = (
    *(200, 201, 202, 203, 204, 205, 207, 208, 226, 299, 300, 301, 302, 303, 305, 307, 308, 399),
    *(400, 402, 403, 404, 405, 406, 409, 410, 411, 414, 415, 418, 422, 423, 424, 451, 499),
    *(500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 599),
)


@pytest.mark.parametrize("status", KEPT)
async def test_every_status_with_a_lifetime_is_kept(rig: Rig, status: int) -> None:
    answer = Answer(HOUR, status)
    await rig.run(Case(f"status-{status}-fresh", [answer], [Ask("miss", status=status), Ask("hit", status=status)]))


@pytest.mark.parametrize("status", KEPT)
async def test_and_not_used_past_it(rig: Rig, status: int) -> None:
    answer = Answer(f"{HOUR}\nage: 7200", status)
    await rig.run(Case(f"status-{status}-stale", [answer], [Ask("miss", status=status), Ask("miss", status=status)]))


@pytest.mark.parametrize("status", [206, 401, 407, 408, 412, 413, 416, 417, 421, 425, 426, 428, 429, 431])
async def test_but_what_is_about_one_request_is_not_kept(rig: Rig, status: int) -> None:
    answer = Answer(HOUR, status)
    await rig.run(Case(f"status-{status}-once", [answer], [Ask("miss", status=status), Ask("miss", status=status)]))


@each(
    pair("cc-resp-no-store", "cache-control: no-store", "miss"),
    pair("cc-resp-no-store-fresh", "cache-control: max-age=3600, no-store\nexpires: {+3600}", "miss"),
    pair("cc-resp-private", "cache-control: private, max-age=3600", "miss"),
    pair("cc-resp-private-s-maxage", "cache-control: private, s-maxage=3600", "miss"),
    pair("cc-resp-private-public", "cache-control: private, public, max-age=3600", "miss"),
    pair("cc-resp-private-field", 'cache-control: private="a", max-age=3600\na: 1\nb: 2', "hit", has="b: 2", lacks="a"),
    pair("cc-resp-no-cache", "cache-control: max-age=3600, no-cache\nexpires: {+3600}", "miss"),
    pair("cc-resp-no-cache-case", "cache-control: max-age=3600, No-CaChE", "miss"),
    pair("cc-resp-no-cache-revalidate", 'cache-control: no-cache\netag: "a"', "validated"),
    pair("cc-resp-no-cache-revalidate-fresh", 'cache-control: no-cache, max-age=3600\netag: "a"', "validated"),
    pair(
        "cc-resp-no-cache-field", 'cache-control: no-cache="a", max-age=3600\na: 1\nb: 2', "hit", has="b: 2", lacks="a"
    ),
    pair(
        "cc-resp-no-cache-fields",
        'cache-control: no-cache="a, b", max-age=3600\na: 1\nb: 2\nc: 3',
        "hit",
        has="c: 3",
        lacks="a b",
    ),
    pair("cc-resp-must-revalidate-fresh", 'cache-control: max-age=3600, must-revalidate\netag: "a"', "hit"),
    pair("cc-resp-must-revalidate-stale", 'cache-control: max-age=5, must-revalidate\netag: "a"\nage: 9', "validated"),
    pair(
        "cc-resp-proxy-revalidate-stale", 'cache-control: max-age=5, proxy-revalidate\netag: "a"\nage: 9', "validated"
    ),
    pair("cc-resp-must-understand-200", "cache-control: max-age=3600, no-store, must-understand", "hit"),
    pair("cc-resp-immutable-stale", 'cache-control: max-age=5, immutable\netag: "a"\nage: 9', "validated"),
    pair("cc-resp-no-transform", "cache-control: no-transform, max-age=3600", "hit"),
    Case(
        "cc-resp-must-understand-599",
        [Answer("cache-control: max-age=3600, no-store, must-understand", 599)],
        [Ask("miss", status=599), Ask("miss", status=599)],
    ),
    pair("pragma-response-no-cache", "pragma: no-cache\ncache-control: max-age=3600", "hit"),
    pair("pragma-response-extension", "pragma: foo\ncache-control: max-age=3600", "hit"),
    pair("pragma-response-heuristic", "pragma: no-cache\nlast-modified: {-86400}", "hit"),
    pair("warning-response", 'warning: 110 - "stale"\ncache-control: max-age=3600', "hit"),
)
async def test_directives_of_answers(rig: Rig, case: Case) -> None:
    await rig.run(case)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("test-header", "a"),
        ("x-test-header", "a, b"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-language", "de"),
        ("content-encoding", "gzip"),
        ("content-disposition", "attachment; filename=a.txt"),
        ("content-location", "/other"),
        ("content-security-policy", "default-src 'self'"),
        ("x-frame-options", "deny"),
        ("strict-transport-security", "max-age=60"),
        ("clear-site-data", '"cookies"'),
        ("www-authenticate", "Basic"),
        ("link", "</a>; rel=preload"),
        ("warning", '299 - "old"'),
        ("etag", '"a"'),
        ("retry-after", "60"),
        ("server", "scripted"),
    ],
)
async def test_end_to_end_fields_are_kept(rig: Rig, name: str, value: str) -> None:
    await rig.run(pair(f"headers-store-{name}", f"{HOUR}\n{name}: {value}", "hit", has=f"{name}: {value}"))


@each(
    pair(
        "headers-connection", f"{HOUR}\nconnection: a, b\na: 1\nb: 2\nc: 3", "hit", has="c: 3", lacks="connection a b"
    ),
    pair("headers-keep-alive", f"{HOUR}\nkeep-alive: timeout=5", "hit", lacks="keep-alive"),
    pair("headers-proxy-authenticate", f"{HOUR}\nproxy-authenticate: Basic", "hit", lacks="proxy-authenticate"),
    pair("headers-proxy-info", f"{HOUR}\nproxy-authentication-info: a", "hit", lacks="proxy-authentication-info"),
    pair("headers-proxy-connection", f"{HOUR}\nproxy-connection: close", "hit", lacks="proxy-connection"),
    pair("headers-upgrade", f"{HOUR}\nconnection: upgrade\nupgrade: h2c", "hit", lacks="upgrade"),
    pair("headers-te", f"{HOUR}\nte: trailers\ntrailer: x", "hit", lacks="te trailer"),
    pair("headers-set-cookie", f"{HOUR}\nset-cookie: a=b", "miss"),
    pair("headers-set-cookie-public", "cache-control: public, s-maxage=3600\nset-cookie: a=b", "miss"),
    pair(
        "headers-set-cookie-named",
        'cache-control: max-age=3600, no-cache="set-cookie"\nset-cookie: a=b',
        "hit",
        lacks="set-cookie",
    ),
    pair("headers-set-cookie2", f"{HOUR}\nset-cookie2: a=b", "hit"),
)
async def test_fields_that_are_not(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    pair("age-generated", HOUR, "hit", has="age:"),
    pair("age-updated", f"{HOUR}\nage: 30", "hit", has="age: 30"),
    pair("age-of-a-date", f"{HOUR}\ndate: {{-1000}}", "hit", has="date: {-1000}"),
    pair(
        "date-is-left-alone",
        f"{HOUR}\ndate: Thu, 18 Aug 2050 02:01:18 GMT",
        "hit",
        has="date: Thu, 18 Aug 2050 02:01:18 GMT",
    ),
    pair(
        "expires-is-left-alone",
        "expires: Thu, 18 Aug 2050 02:01:18 GMT",
        "hit",
        has="expires: Thu, 18 Aug 2050 02:01:18 GMT",
    ),
    Case("date-is-added", [Answer(HOUR, dated=False)], [Ask("miss"), Ask("hit", has="date:")]),
    Case("date-malformed", [Answer(f"{HOUR}\ndate: never")], [Ask("miss"), Ask("hit", has="date:")]),
    pair("cookie-in-request", HOUR, "hit", then="cookie: a=b"),
)
async def test_what_a_stored_answer_is_served_with(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    Case("query-different", [Answer(HOUR)], [Ask("miss", query="?a=1"), Ask("miss", query="?a=2"), Ask("miss")]),
    Case("query-same", [Answer(HOUR)], [Ask("miss", query="?a=1&b=2"), Ask("hit", query="?a=1&b=2")]),
    Case("query-order", [Answer(HOUR)], [Ask("miss", query="?a=1&b=2"), Ask("miss", query="?b=2&a=1")]),
    Case("query-case", [Answer(HOUR)], [Ask("miss", query="?a=x"), Ask("miss", query="?a=X")]),
    Case("path-case", [Answer(HOUR)], [Ask("miss", query="/x"), Ask("miss", query="/X")]),
    Case("path-slash", [Answer(HOUR)], [Ask("miss", query="/x"), Ask("miss", query="/x/")]),
    Case("path-escape", [Answer(HOUR)], [Ask("miss", query="/a%7eb"), Ask("hit", query="/a~b")]),
    Case("path-dots", [Answer(HOUR)], [Ask("miss", query="/a/b"), Ask("hit", query="/a/./b")]),
    Case("host-different", [Answer(HOUR)], [Ask("miss", host="a.example"), Ask("miss", host="b.example")]),
    Case("host-case", [Answer(HOUR)], [Ask("miss", host="a.example"), Ask("hit", host="A.Example")]),
    Case("host-default-port", [Answer(HOUR)], [Ask("miss", host="a.example"), Ask("hit", host="a.example:80")]),
    Case("host-other-port", [Answer(HOUR)], [Ask("miss", host="a.example"), Ask("miss", host="a.example:81")]),
)
async def test_what_an_answer_is_kept_under(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    Case("body-empty", [Answer(HOUR, body=b"")], [Ask("miss"), Ask("hit", text=b"")]),
    Case("body-204", [Answer(HOUR, 204)], [Ask("miss", status=204), Ask("hit", status=204, text=b"")]),
    Case("body-large", [Answer(HOUR, body=b"x" * 1_000_000)], [Ask("miss"), Ask("hit", text=b"x" * 1_000_000)]),
    Case("body-too-large", [Answer(HOUR, body=b"y" * 1_500_000)], [Ask("miss"), Ask("miss")]),
    Case("body-chunked", [Answer(HOUR, framing="chunked")], [Ask("miss"), Ask("hit")]),
    Case("body-chunked-empty", [Answer(HOUR, body=b"", framing="chunked")], [Ask("miss"), Ask("hit", text=b"")]),
    Case(
        "body-trailers",
        [Answer(HOUR, framing="chunked", trailers="x-sum: 1")],
        [Ask("miss"), Ask("hit", lacks="x-sum")],
    ),
    Case("body-until-close", [Answer(HOUR, framing="close")], [Ask("miss"), Ask("hit")]),
    Case("body-bytes", [Answer(HOUR, body=bytes(range(256)))], [Ask("miss"), Ask("hit", text=bytes(range(256)))]),
)
async def test_bodies(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    Case(
        "interim-102",
        [Answer(HOUR, interim=b"HTTP/1.1 102 Processing\r\n\r\n")],
        [Ask("miss"), Ask("hit")],
    ),
    Case(
        "interim-103",
        [Answer(HOUR, interim=b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncache-control: no-store\r\n\r\n")],
        [Ask("miss"), Ask("hit", lacks="link")],
    ),
    Case(
        "interim-100-twice",
        [Answer(HOUR, interim=b"HTTP/1.1 100 Continue\r\n\r\n" * 2)],
        [Ask("miss"), Ask("hit")],
    ),
)
async def test_the_final_answer_is_kept_behind_interim_ones(rig: Rig, case: Case) -> None:
    await rig.run(case)
