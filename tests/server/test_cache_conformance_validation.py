"""Conformance of the cache, from socket to socket: conditions of clients, validation, what a 304 and a HEAD change."""

from __future__ import annotations

import pytest

from tests.support.cache_cases import Ask, Case, Rig, each, pair
from tests.support.cache_origin import Answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = "cache-control: max-age=3600"
STALE = "cache-control: max-age=60\nage: 100"


def tagged(name: str, etag: str, wanted: str, status: int) -> Case:
    return pair(f"etag-{name}", f"{HOUR}\netag: {etag}", "hit", f"if-none-match: {wanted}", status=status)


@each(
    tagged("strong", '"a"', '"a"', 304),
    tagged("strong-other", '"a"', '"b"', 200),
    tagged("strong-asked-weakly", '"a"', 'W/"a"', 304),
    tagged("weak", 'W/"a"', 'W/"a"', 304),
    tagged("weak-asked-strongly", 'W/"a"', '"a"', 304),
    tagged("weak-other", 'W/"a"', 'W/"b"', 200),
    tagged("case", '"a"', '"A"', 200),
    tagged("first", '"a"', '"a", "b", "c"', 304),
    tagged("middle", '"b"', '"a", "b", "c"', 304),
    tagged("last", '"c"', '"a", "b", "c"', 304),
    tagged("no-spaces", '"b"', '"a","b","c"', 304),
    tagged("weak-in-list", '"b"', '"a", W/"b"', 304),
    tagged("none-of-a-list", '"d"', '"a", "b", "c"', 200),
    tagged("comma-inside", '"a,b"', '"a,b"', 304),
    tagged("comma-inside-is-no-list", '"a"', '"a,b"', 200),
    tagged("part-of-another", '"b"', '"abc"', 200),
    tagged("two-lines", '"b"', '"a"\nif-none-match: "b"', 304),
    tagged("star", '"a"', "*", 304),
    tagged("empty-tag", '""', '""', 304),
    tagged("obs-text", '"abc\xfc"', '"abc\xfc"', 304),
    tagged("unquoted-both", "a", "a", 304),
    tagged("unquoted-asked", '"a"', "a", 200),
    tagged("unquoted-stored", "a", '"a"', 200),
    tagged("lower-case-w", 'w/"a"', 'w/"a"', 304),
    pair(
        "etag-before-date",
        f'{HOUR}\netag: "a"\nlast-modified: {{-3600}}',
        "hit",
        'if-none-match: "a"\nif-modified-since: Thu, 01 Jan 1970 00:00:00 GMT',
        status=304,
    ),
    pair(
        "etag-before-date-other",
        f'{HOUR}\netag: "a"\nlast-modified: {{-3600}}',
        "hit",
        'if-none-match: "b"\nif-modified-since: {0}',
    ),
    pair("etag-none-stored", HOUR, "hit", 'if-none-match: "a"'),
    pair("etag-none-stored-star", HOUR, "hit", "if-none-match: *", status=304),
)
async def test_if_none_match_is_answered_from_the_cache(rig: Rig, case: Case) -> None:
    await rig.run(case)


def changed(name: str, since: str, status: int, lines: str = "last-modified: {-3000}") -> Case:
    return pair(f"lm-{name}", f"{HOUR}\n{lines}", "hit", f"if-modified-since: {since}", status=status)


@each(
    changed("later", "{-2000}", 304),
    changed("earlier", "{-4000}", 200),
    changed("now", "{0}", 304),
    changed("rfc850", "{-2000 rfc850}", 304),
    changed("asctime", "{-2000 asctime}", 304),
    changed("malformed", "a while ago", 200),
    changed("two", "{-2000}\nif-modified-since: {-2000}", 200),
    changed("no-last-modified-later", "{+10}", 304, "x: y"),
    changed("no-last-modified-earlier", "{-3000}", 200, "x: y"),
    pair(
        "lm-exact",
        f"{HOUR}\nlast-modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "hit",
        "if-modified-since: Thu, 01 Jan 2015 00:00:00 GMT",
        status=304,
    ),
)
async def test_if_modified_since_is_answered_from_the_cache(rig: Rig, case: Case) -> None:
    await rig.run(case)


WITH_EVERYTHING = (
    f'{HOUR}\netag: "a"\nlast-modified: {{-3000}}\nvary: accept\ncontent-location: /x\nexpires: {{+60}}\n'
    "content-type: text/plain\ncontent-language: de\nx-other: 1"
)


@each(
    pair(
        "304-fields",
        WITH_EVERYTHING,
        "hit",
        'if-none-match: "a"',
        status=304,
        has='etag: "a"\ncache-control: max-age=3600\nvary: accept\ncontent-location: /x\nexpires: {+60}\ndate: {0}',
        lacks="content-length content-type content-language transfer-encoding",
        text=b"",
    ),
    Case(
        "304-to-head",
        [Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss"), Ask("hit", 'if-none-match: "a"', "HEAD", status=304, has='etag: "a"')],
    ),
    Case(
        "304-not-for-404",
        [Answer(f'{HOUR}\netag: "a"', 404)],
        [Ask("miss", status=404), Ask("hit", 'if-none-match: "a"', status=404)],
    ),
    Case(
        "304-with-vary",
        [Answer(f'{HOUR}\nvary: foo\netag: "a"'), Answer(f'{HOUR}\nvary: foo\netag: "b"')],
        [
            Ask("miss", "foo: 1"),
            Ask("miss", "foo: 2"),
            Ask("hit", 'foo: 1\nif-none-match: "a"', status=304, has='etag: "a"'),
            Ask("hit", 'foo: 2\nif-none-match: "a"', has='etag: "b"'),
            Ask("hit", 'foo: 2\nif-none-match: "b"', status=304, has='etag: "b"'),
        ],
    ),
    Case(
        "if-match-goes-to-the-origin",
        [Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss"), Ask("miss", 'if-match: "a"', sent='if-match: "a"'), Ask("hit")],
    ),
    Case(
        "if-unmodified-since-goes-to-the-origin",
        [Answer(HOUR)],
        [Ask("miss"), Ask("miss", "if-unmodified-since: Thu, 01 Jan 2015 00:00:00 GMT"), Ask("hit")],
    ),
)
async def test_what_a_304_has(rig: Rig, case: Case) -> None:
    await rig.run(case)


LM = "last-modified: Thu, 01 Jan 2015 00:00:00 GMT"
SINCE = "if-modified-since: Thu, 01 Jan 2015 00:00:00 GMT"


@each(
    pair("validates-etag", f'{STALE}\netag: "a"', "validated", sent='if-none-match: "a"', unsent="if-modified-since"),
    pair("validates-weak-etag", f'{STALE}\netag: W/"a"', "validated", sent='if-none-match: W/"a"'),
    pair("validates-odd-etag", f"{STALE}\netag: a", "validated", sent="if-none-match: a"),
    pair("validates-last-modified", f"{STALE}\n{LM}", "validated", sent=SINCE, unsent="if-none-match"),
    pair("validates-both", f'{STALE}\netag: "a"\n{LM}', "validated", sent=f'if-none-match: "a"\n{SINCE}'),
    pair("validates-etag-alone", 'etag: "a"', "validated", sent='if-none-match: "a"'),
    pair("validates-expires-0", 'expires: 0\netag: "a"', "validated"),
    pair("validates-expires-past", f"expires: {{-60}}\n{LM}", "validated"),
    pair("validates-max-age-0", 'cache-control: max-age=0\netag: "a"', "validated"),
    pair("validates-long-stale", 'cache-control: max-age=3600\nage: 7200\netag: "a"', "validated"),
    pair("validates-old-date", 'cache-control: max-age=60\ndate: {-90000}\netag: "a"', "validated"),
    pair("validates-nothing", STALE, "miss", unsent="if-none-match if-modified-since"),
    pair("validates-client-agrees", f'{STALE}\netag: "a"', "validated", 'if-none-match: "a"', status=304),
    pair("validates-client-has-another", f'{STALE}\netag: "a"', "validated", 'if-none-match: "b"', status=200),
    pair("validates-client-date", f"{STALE}\n{LM}", "validated", SINCE, status=304),
    pair("validates-vary", f'{STALE}\netag: "a"\nvary: foo', "validated", "foo: 1", "foo: 1", sent="foo: 1"),
    Case(
        "validates-replaced",
        [Answer(f'{STALE}\netag: "a"'), Answer(f'{HOUR}\netag: "b"')],
        [Ask("miss"), Ask("miss", sent='if-none-match: "a"'), Ask("hit", has='etag: "b"')],
    ),
    Case(
        "validates-replaced-while-client-has-the-old",
        [Answer(f'{STALE}\netag: "a"'), Answer(f'{HOUR}\netag: "b"')],
        [Ask("miss"), Ask("miss", 'if-none-match: "a"'), Ask("hit", has='etag: "b"')],
    ),
    Case(
        "validates-404-replaces",
        [Answer(f'{STALE}\netag: "a"'), Answer(HOUR, 404), Answer(HOUR)],
        [Ask("miss"), Ask("miss", status=404), Ask("hit", status=404)],
    ),
    Case(
        "validates-no-store-replaces",
        [Answer(f'{STALE}\netag: "a"'), Answer("cache-control: no-store"), Answer(HOUR)],
        [Ask("miss"), Ask("miss"), Ask("miss", unsent="if-none-match"), Ask("hit")],
    ),
    Case(
        "condition-forwarded-on-a-miss",
        [Answer(f'{HOUR}\netag: "a"')],
        [Ask("validated", 'if-none-match: "a"', status=304), Ask("miss"), Ask("hit")],
    ),
    Case(
        "condition-failed-on-a-miss-is-kept",
        [Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss", 'if-none-match: "b"', sent='if-none-match: "b"'), Ask("hit")],
    ),
)
async def test_validation(rig: Rig, case: Case) -> None:
    await rig.run(case)


UPDATED = [
    ("test-header", "a", "b"),
    ("x-test-header", "a", "b"),
    ("content-foo", "a", "b"),
    ("x-content-foo", "a", "b"),
    ("content-type", "text/plain", "text/plain;charset=utf-8"),
    ("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g=="),
    ("content-location", "/foo", "/bar"),
    ("content-security-policy", "default-src 'self'", "default-src 'self' cdn.example"),
    ("content-language", "de", "en"),
    ("x-frame-options", "deny", "sameorigin"),
    ("expires", "Thu, 18 Aug 2050 02:01:18 GMT", "Fri, 19 Aug 2050 02:01:18 GMT"),
    ("link", "</a>", "</b>"),
    ("warning", '299 - "a"', '299 - "b"'),
]


@pytest.mark.parametrize(("name", "old", "new"), UPDATED)
@pytest.mark.parametrize("validator", ['etag: "a"', LM], ids=["etag", "lm"])
async def test_a_304_updates_what_is_served_and_what_is_kept(
    rig: Rig, name: str, old: str, new: str, validator: str
) -> None:
    answers = [Answer(f"{STALE}\n{validator}\n{name}: {old}"), Answer(f"{HOUR}\n{validator}\n{name}: {new}")]
    now = f"{name}: {new}"
    kind = validator.partition(":")[0]
    asks = [Ask("miss"), Ask("validated", has=now), Ask("hit", has=f"{now}\ncache-control: max-age=3600")]
    await rig.run(Case(f"304-updates-{name}-{kind}", answers, asks))


@each(
    Case(
        "304-keeps-what-it-omits",
        [Answer(f'{STALE}\netag: "a"\nx-kept: 1'), Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss"), Ask("validated", has="x-kept: 1"), Ask("hit", has="x-kept: 1")],
    ),
    Case(
        "304-adds",
        [Answer(f'{STALE}\netag: "a"'), Answer(f'{HOUR}\netag: "a"\nx-new: 1')],
        [Ask("miss"), Ask("validated", has="x-new: 1"), Ask("hit", has="x-new: 1")],
    ),
    Case(
        "304-keeps-encoding-and-length",
        [Answer(f'{STALE}\netag: "a"\ncontent-encoding: gzip'), Answer(f'{HOUR}\netag: "a"\ncontent-encoding: br')],
        [Ask("miss"), Ask("validated", has="content-encoding: gzip"), Ask("hit", has="content-encoding: gzip")],
    ),
    Case(
        "304-connection-fields",
        [Answer(f'{STALE}\netag: "a"\nx-a: 1'), Answer(f'{HOUR}\netag: "a"\nconnection: x-a\nx-a: 2')],
        [Ask("miss"), Ask("validated", has="x-a: 1"), Ask("hit", has="x-a: 1")],
    ),
    Case(
        "304-forgets-age",
        [Answer(f'{STALE}\netag: "a"'), Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss"), Ask("validated", has="age: 0"), Ask("hit")],
    ),
    Case(
        "304-says-no-store",
        [Answer(f'{STALE}\netag: "a"'), Answer('cache-control: no-store\netag: "a"'), Answer(HOUR)],
        [Ask("miss"), Ask("validated"), Ask("miss", unsent="if-none-match")],
    ),
    Case(
        "304-set-cookie",
        [Answer(f'{STALE}\netag: "a"'), Answer(f'{HOUR}\netag: "a"\nset-cookie: a=b')],
        [Ask("miss"), Ask("validated", has="set-cookie: a=b"), Ask("hit", lacks="set-cookie")],
    ),
    Case(
        "304-without-freshness",
        [Answer(f'{STALE}\netag: "a"'), Answer('etag: "a"'), Answer('etag: "a"')],
        [Ask("miss"), Ask("validated"), Ask("hit")],
    ),
)
async def test_what_else_a_304_does(rig: Rig, case: Case) -> None:
    await rig.run(case)


@each(
    Case("head-then-get", [Answer(HOUR)], [Ask("miss", method="HEAD"), Ask("miss"), Ask("hit")]),
    Case(
        "get-then-head",
        [Answer(f"{HOUR}\nx-a: 1")],
        [Ask("miss"), Ask("hit", method="HEAD", has="x-a: 1\ncontent-length:\nage:", text=b"")],
    ),
    Case(
        "head-after-chunked",
        [Answer(HOUR, framing="chunked")],
        [Ask("miss"), Ask("hit", method="HEAD"), Ask("hit")],
    ),
    Case(
        "head-freshens",
        [Answer(f'{STALE}\netag: "a"\nx-a: 1', body=b"same"), Answer(f'{HOUR}\netag: "a"\nx-a: 2', body=b"same")],
        [Ask("miss"), Ask("miss", method="HEAD"), Ask("hit", has="x-a: 2\ncache-control: max-age=3600")],
    ),
    Case(
        "head-of-another-etag",
        [Answer(f'{STALE}\netag: "a"'), Answer(f'{HOUR}\netag: "b"')],
        [Ask("miss"), Ask("miss", method="HEAD"), Ask("miss", unsent="if-none-match")],
    ),
    Case(
        "head-of-another-length",
        [Answer(f'{STALE}\netag: "a"', body=b"1"), Answer(f'{HOUR}\netag: "a"', body=b"22")],
        [Ask("miss"), Ask("miss", method="HEAD"), Ask("miss")],
    ),
    Case(
        "head-404-keeps-the-stored",
        [Answer(HOUR), Answer(HOUR, 404)],
        [Ask("miss"), Ask("miss", "cache-control: no-cache", "HEAD", status=404), Ask("hit")],
    ),
    Case(
        "head-500-keeps-the-stored",
        [Answer(f'{STALE}\netag: "a"'), Answer("", 500), Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss"), Ask("miss", method="HEAD", status=500), Ask("validated")],
    ),
)
async def test_head(rig: Rig, case: Case) -> None:
    await rig.run(case)
