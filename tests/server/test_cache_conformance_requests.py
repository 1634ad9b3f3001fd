"""Conformance of the cache, from socket to socket: what requests say, Vary, credentials, parts, methods that change."""

from __future__ import annotations

import pytest

from tests.support.cache_cases import Ask, Case, Rig, asked, each, pair
from tests.support.cache_origin import Answer
from tests.support.raw_client import connect

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = "cache-control: max-age=3600"
STALE = "cache-control: max-age=60\nage: 100"


def says(name: str, lines: str, source: str, then: str, **more: object) -> Case:
    return pair(f"ccreq-{name}", lines, source, f"cache-control: {then}", **more)  # type: ignore[arg-type]


@each(
    says("max-age-0", HOUR, "miss", "max-age=0"),
    says("max-age-0-etag", f'{HOUR}\netag: "a"', "validated", "max-age=0"),
    says("max-age-smaller", f"{HOUR}\nage: 1800", "miss", "max-age=600"),
    says("max-age-larger", f"{HOUR}\nage: 1800", "hit", "max-age=2400"),
    says("max-age-malformed", HOUR, "miss", "max-age=x"),
    says("max-age-quoted", f"{HOUR}\nage: 1800", "hit", 'max-age="2400"'),
    says("min-fresh-too-much", HOUR, "miss", "min-fresh=7200"),
    says("min-fresh-age", f"{HOUR}\nage: 3000", "miss", "min-fresh=1000"),
    says("min-fresh-enough", f"{HOUR}\nage: 3000", "hit", "min-fresh=100"),
    says("max-stale-any", STALE, "hit", "max-stale"),
    says("max-stale-enough", STALE, "hit", "max-stale=1000"),
    says("max-stale-too-little", STALE, "miss", "max-stale=10"),
    says("max-stale-must-revalidate", f"{STALE}\ncache-control: must-revalidate", "miss", "max-stale"),
    says("max-stale-proxy-revalidate", f"{STALE}\ncache-control: proxy-revalidate", "miss", "max-stale"),
    says("max-stale-s-maxage", "cache-control: s-maxage=60\nage: 100", "miss", "max-stale"),
    says("max-stale-no-cache", f'{STALE}\ncache-control: no-cache\netag: "a"', "validated", "max-stale"),
    says("max-stale-fresh", HOUR, "hit", "max-stale=10"),
    says("no-cache", HOUR, "miss", "no-cache"),
    says("no-cache-etag", f'{HOUR}\netag: "a"', "validated", "no-cache"),
    says("no-cache-lm", f"{HOUR}\nlast-modified: {{-1000}}", "validated", "no-cache"),
    says("no-store", HOUR, "miss", "no-store"),
    says("extension", HOUR, "hit", 'foo=1, bar="no-cache"'),
    says("no-transform", HOUR, "hit", "no-transform"),
    says("only-if-cached-fresh", HOUR, "hit", "only-if-cached"),
    says("only-if-cached-stale", STALE, "refused", "only-if-cached"),
    says("only-if-cached-max-stale", STALE, "hit", "only-if-cached, max-stale"),
    says("only-if-cached-no-cache", HOUR, "refused", "only-if-cached, no-cache"),
    says("only-if-cached-vary", f"{HOUR}\nvary: foo", "refused", "only-if-cached\nfoo: 2"),
    Case("ccreq-only-if-cached", [Answer(HOUR)], [Ask("refused", "cache-control: only-if-cached"), Ask("miss")]),
    Case("ccreq-no-store-first", [Answer(HOUR)], [Ask("miss", "cache-control: no-store"), Ask("miss"), Ask("hit")]),
    Case("ccreq-no-cache-stores", [Answer(HOUR)], [Ask("miss", "cache-control: no-cache"), Ask("hit")]),
    Case(
        "ccreq-no-cache-replaces",
        [Answer(f"{HOUR}\nx: 1"), Answer(f"{HOUR}\nx: 2")],
        [Ask("miss"), Ask("miss", "cache-control: no-cache"), Ask("hit", has="x: 2")],
    ),
    pair("pragma-request", HOUR, "miss", "pragma: no-cache"),
    pair("pragma-request-extension", HOUR, "hit", "pragma: foo"),
    pair("pragma-request-beside-cache-control", HOUR, "hit", "pragma: no-cache\ncache-control: max-age=100"),
)
async def test_directives_of_requests(rig: Rig, case: Case) -> None:
    await rig.run(case)


def varies(name: str, vary: str, first: str, then: str, source: str) -> Case:
    return pair(f"vary-{name}", f"{HOUR}\nvary: {vary}", source, then, first)  # type: ignore[arg-type]


@each(
    varies("match", "foo", "foo: 1", "foo: 1", "hit"),
    varies("no-match", "foo", "foo: 1", "foo: 2", "miss"),
    varies("omit", "foo", "foo: 1", "", "miss"),
    varies("omit-stored", "foo", "", "foo: 1", "miss"),
    varies("omit-both", "foo", "", "", "hit"),
    varies("case-of-name", "FoO", "foo: 1", "fOO: 1", "hit"),
    varies("case-of-value", "foo", "foo: a", "foo: A", "miss"),
    varies("other-field", "foo", "foo: 1\nother: 1", "foo: 1\nother: 2", "hit"),
    varies("empty", "", "foo: 1", "foo: 2", "hit"),
    varies("2-match", "foo, bar", "foo: 1\nbar: 2", "bar: 2\nfoo: 1", "hit"),
    varies("2-no-match", "foo, bar", "foo: 1\nbar: 2", "foo: 1\nbar: 3", "miss"),
    varies("2-omit", "foo, bar", "foo: 1\nbar: 2", "", "miss"),
    varies("2-lines", "foo\nvary: bar", "foo: 1\nbar: 2", "foo: 1\nbar: 3", "miss"),
    varies("3-match", "foo, bar, baz", "foo: 1\nbar: 2\nbaz: 3", "foo: 1\nbar: 2\nbaz: 3", "hit"),
    varies("3-order", "foo, bar, baz", "foo: 1\nbar: abc\nbaz: 3", "foo: 1\nbaz: 3\nbar: abcde", "miss"),
    varies("3-omit", "foo, bar, baz", "foo: 1\nbaz: 3", "foo: 1\nbaz: 3", "hit"),
    varies("swapped-values", "foo, bar", "foo: 1\nbar: 2", "foo: 2\nbar: 1", "miss"),
    varies("star", "*", "foo: 1", "foo: 1", "miss"),
    varies("star-star", "*, *", "foo: 1", "foo: 1", "miss"),
    varies("star-lines", "*\nvary: *", "foo: 1", "foo: 1", "miss"),
    varies("star-empty", ", *", "foo: 1", "foo: 1", "miss"),
    varies("star-empty-line", "\nvary: *", "foo: 1", "foo: 1", "miss"),
    varies("star-first", "*, foo", "foo: 1", "foo: 1", "miss"),
    varies("star-last", "foo, *", "foo: 1", "foo: 1", "miss"),
    varies("combined", "foo", "foo: 1, 2", "foo: 1\nfoo: 2", "hit"),
    varies("space", "foo", "foo: 1,2", "foo:  1 ,  2 ", "hit"),
    varies("order-of-members", "foo", "foo: 1, 2", "foo: 2, 1", "miss"),
    varies("quoted", "foo", 'foo: "1, 2"', 'foo: "1,2"', "miss"),
    varies("encoding-order", "accept-encoding", "accept-encoding: gzip, br", "accept-encoding: br,gzip", "hit"),
    varies("encoding-weight", "accept-encoding", "accept-encoding: gzip;q=1.0", "accept-encoding: GZIP", "hit"),
    varies("encoding-other", "accept-encoding", "accept-encoding: gzip", "accept-encoding: br", "miss"),
    varies("language-case", "accept-language", "accept-language: en, de", "accept-language: eN, De", "hit"),
    varies("language-space", "accept-language", "accept-language: en, de", "accept-language:  en ,   de", "hit"),
    varies("language-other", "accept-language", "accept-language: en", "accept-language: de", "miss"),
    varies("cookie", "cookie", "cookie: a=1", "cookie: a=2", "miss"),
    varies("origin", "origin", "origin: https://a.example", "origin: https://b.example", "miss"),
    varies("user-agent", "user-agent", "user-agent: a, b", "user-agent: a,b", "miss"),
    Case(
        "vary-two-variants",
        [Answer(f"{HOUR}\nvary: foo")],
        [Ask("miss", "foo: 1"), Ask("miss", "foo: 2"), Ask("hit", "foo: 1"), Ask("hit", "foo: 2")],
    ),
    Case(
        "vary-changes-its-mind",
        [Answer(f"{HOUR}\nvary: foo"), Answer(f"{HOUR}\nvary: bar"), Answer(HOUR)],
        [
            Ask("miss", "foo: 1\nbar: 1"),
            Ask("miss", "foo: 2\nbar: 2"),
            Ask("hit", "foo: 1\nbar: 3"),
            Ask("hit", "foo: 3\nbar: 2"),
            Ask("miss", "foo: 3\nbar: 3"),
        ],
    ),
    Case(
        "vary-newest-of-two",
        [Answer(f"{HOUR}\nvary: foo\ndate: {{-500}}"), Answer(f"{HOUR}\nvary: bar\ndate: {{-100}}")],
        [Ask("miss", "foo: 1\nbar: 1"), Ask("miss", "foo: 2\nbar: 1"), Ask("hit", "foo: 1\nbar: 1", has="vary: bar")],
    ),
    Case(
        "vary-none-beside-some",
        [Answer(f"{HOUR}\nvary: foo\ndate: {{-500}}"), Answer(f"{HOUR}\ndate: {{-100}}")],
        [Ask("miss", "foo: 1"), Ask("miss", "foo: 2"), Ask("hit", "foo: 1", lacks="vary"), Ask("hit", "foo: 3")],
    ),
    Case(
        "vary-star-behind-another",
        [Answer(f"{HOUR}\nvary: foo"), Answer(f"{HOUR}\nvary: *")],
        [Ask("miss", "foo: 1"), Ask("miss", "foo: 2"), Ask("miss", "foo: 2"), Ask("hit", "foo: 1")],
    ),
)
async def test_vary(rig: Rig, case: Case) -> None:
    await rig.run(case)


ALICE, BOB = "authorization: Bearer alice", "authorization: Bearer bob"


@each(
    pair("auth-stored", HOUR, "miss", ALICE, ALICE),
    pair("auth-other", HOUR, "miss", BOB, ALICE),
    pair("auth-then-none", HOUR, "miss", "", ALICE),
    pair("auth-expires", "expires: {+3600}", "miss", BOB, ALICE),
    pair("auth-heuristic", "last-modified: {-86400}", "miss", BOB, ALICE),
    pair("auth-public", "cache-control: max-age=3600, public", "hit", BOB, ALICE),
    pair("auth-must-revalidate", "cache-control: max-age=3600, must-revalidate", "hit", BOB, ALICE),
    pair("auth-s-maxage", "cache-control: s-maxage=3600", "hit", BOB, ALICE),
    pair("auth-private", "cache-control: max-age=3600, private", "miss", ALICE, ALICE),
    pair("auth-proxy-revalidate", "cache-control: max-age=3600, proxy-revalidate", "miss", BOB, ALICE),
    pair("auth-vary", f"{HOUR}\nvary: authorization\ncache-control: public", "miss", BOB, ALICE),
    pair("auth-none-then", HOUR, "hit", ALICE),
)
async def test_credentials(rig: Rig, case: Case) -> None:
    await rig.run(case)


WHOLE = b"0123456789"


def part(name: str, wanted: str, status: int, text: bytes, has: str = "", lines: str = HOUR) -> Case:
    ask = Ask("hit", f"range: {wanted}", status=status, text=text, has=has)
    return Case(f"partial-{name}", [Answer(lines, body=WHOLE)], [Ask("miss"), ask])


@each(
    part("first", "bytes=0-1", 206, b"01", "content-range: bytes 0-1/10\ncontent-length: 2"),
    part("no-last", "bytes=4-", 206, b"456789", "content-range: bytes 4-9/10"),
    part("suffix", "bytes=-3", 206, b"789", "content-range: bytes 7-9/10"),
    part("suffix-larger", "bytes=-30", 206, WHOLE, "content-range: bytes 0-9/10"),
    part("past-the-end", "bytes=8-99", 206, b"89", "content-range: bytes 8-9/10"),
    part("all", "bytes=0-", 206, WHOLE, "content-range: bytes 0-9/10"),
    part("one", "bytes=9-9", 206, b"9", "content-range: bytes 9-9/10"),
    part("behind-the-end", "bytes=10-", 416, b"", "content-range: bytes */10"),
    part("suffix-0", "bytes=-0", 416, b"", "content-range: bytes */10"),
    part("unit", "lines=0-1", 200, WHOLE),
    part("malformed", "bytes=a-b", 200, WHOLE),
    part("backwards", "bytes=5-2", 200, WHOLE),
    part("several", "bytes=0-1,4-5", 200, WHOLE),
    part("if-range-same", 'bytes=0-1\nif-range: "a"', 206, b"01", lines=f'{HOUR}\netag: "a"'),
    part("if-range-other", 'bytes=0-1\nif-range: "b"', 200, WHOLE, lines=f'{HOUR}\netag: "a"'),
    part("if-range-weak", 'bytes=0-1\nif-range: W/"a"', 200, WHOLE, lines=f'{HOUR}\netag: W/"a"'),
    part("if-range-date", "bytes=0-1\nif-range: {-60}", 206, b"01", lines=f"{HOUR}\nlast-modified: {{-60}}"),
    part("if-range-other-date", "bytes=0-1\nif-range: {-30}", 200, WHOLE, lines=f"{HOUR}\nlast-modified: {{-60}}"),
    part("current", 'bytes=0-1\nif-none-match: "a"', 304, b"", lines=f'{HOUR}\netag: "a"'),
    Case(
        "partial-of-404",
        [Answer(HOUR, 404, WHOLE)],
        [Ask("miss", status=404), Ask("hit", "range: bytes=0-1", status=404, text=WHOLE)],
    ),
    Case(
        "partial-head",
        [Answer(HOUR, body=WHOLE)],
        [Ask("miss"), Ask("hit", "range: bytes=0-1", "HEAD", has="content-length: 10")],
    ),
    Case(
        "partial-not-kept-as-whole",
        [Answer(f"{HOUR}\ncontent-range: bytes 5-9/10", 206, b"56789"), Answer(HOUR, body=WHOLE)],
        [Ask("miss", "range: bytes=5-", status=206), Ask("miss", text=WHOLE), Ask("hit", text=WHOLE)],
    ),
    Case(
        "partial-not-asked-for",
        [Answer(f"{HOUR}\ncontent-range: bytes 5-9/10", 206, b"56789"), Answer(HOUR, body=WHOLE)],
        [Ask("miss", status=206), Ask("miss", text=WHOLE)],
    ),
    Case(
        "partial-disguised",
        [Answer(f"{HOUR}\ncontent-range: bytes 5-9/10", 200, b"56789"), Answer(HOUR, body=WHOLE)],
        [Ask("miss"), Ask("miss", text=WHOLE)],
    ),
    Case(
        "partial-request-whole-answer",
        [Answer(HOUR, body=WHOLE)],
        [Ask("miss", "range: bytes=0-1", text=WHOLE, sent="range: bytes=0-1"), Ask("hit", text=WHOLE)],
    ),
    Case(
        "partial-416-not-kept",
        [Answer(f"{HOUR}\ncontent-range: bytes */10", 416), Answer(HOUR, body=WHOLE)],
        [Ask("miss", "range: bytes=50-", status=416), Ask("miss", text=WHOLE)],
    ),
    Case(
        "partial-of-stale-validated",
        [Answer(f'{STALE}\netag: "a"', body=WHOLE), Answer(f'{HOUR}\netag: "a"', body=WHOLE)],
        [Ask("miss"), Ask("validated", "range: bytes=0-1", status=206, text=b"01"), Ask("hit", text=WHOLE)],
    ),
    Case(
        "partial-answer-keeps-the-stored",
        [
            Answer(f'{STALE}\netag: "a"', body=WHOLE),
            Answer(f'{HOUR}\netag: "a"\ncontent-range: bytes 0-1/10', 206, b"01", validates=False),
            Answer(f'{HOUR}\netag: "a"', body=WHOLE),
        ],
        [Ask("miss"), Ask("miss", "range: bytes=0-1", status=206, text=b"01"), Ask("validated", text=WHOLE)],
    ),
)
async def test_parts(rig: Rig, case: Case) -> None:
    await rig.run(case)


UNSAFE = ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "PURGE", "MKCOL"]


def change(method: str, status: int = 200) -> Ask:
    return Ask("miss", method=method, body=b"abc", status=status)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("status", [200, 201, 204, 302])
async def test_a_change_invalidates(rig: Rig, method: str, status: int) -> None:
    answers = [Answer(HOUR), Answer("", status), Answer(HOUR)]
    await rig.run(Case(f"invalidate-{method}-{status}", answers, [Ask("miss"), change(method, status), Ask("miss")]))


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
async def test_a_failed_one_does_not(rig: Rig, method: str, status: int) -> None:
    answers = [Answer(HOUR), Answer("", status), Answer(HOUR)]
    await rig.run(Case(f"invalidate-{method}-{status}", answers, [Ask("miss"), change(method, status), Ask("hit")]))


@pytest.mark.parametrize("field", ["location", "content-location"])
@pytest.mark.parametrize("method", UNSAFE)
async def test_it_invalidates_what_it_names_too(rig: Rig, method: str, field: str) -> None:
    name = f"invalidate-{method}-{field}"
    for number, reference in enumerate(("target", "/{name}/target", "http://shop.example/{name}/target")):
        own = f"{name}-{number}"
        answers = [Answer(HOUR), Answer(f"{field}: {reference.format(name=own)}"), Answer(HOUR)]
        about = Ask("miss", method=method, query="/source", body=b"abc")
        await rig.run(Case(own, answers, [Ask("miss", query="/target"), about, Ask("miss", query="/target")]))


@each(
    Case(
        "invalidate-other-origin",
        [Answer(HOUR), Answer("location: http://other.example/invalidate-other-origin")],
        [Ask("miss", host="other.example"), Ask("miss", method="POST", body=b"a"), Ask("hit", host="other.example")],
    ),
    Case(
        "invalidate-other-port",
        [Answer(HOUR), Answer("location: http://shop.example:81/invalidate-other-port")],
        [
            Ask("miss", host="shop.example:81"),
            Ask("miss", method="POST", body=b"a"),
            Ask("hit", host="shop.example:81"),
        ],
    ),
    Case(
        "invalidate-failed-location",
        [Answer(HOUR), Answer("location: target", 500)],
        [Ask("miss", query="/target"), Ask("miss", method="POST", query="/x", status=500), Ask("hit", query="/target")],
    ),
    Case(
        "invalidate-all-variants",
        [Answer(f"{HOUR}\nvary: foo"), Answer(f"{HOUR}\nvary: foo"), Answer(""), Answer(f"{HOUR}\nvary: foo")],
        [Ask("miss", "foo: 1"), Ask("miss", "foo: 2"), change("POST"), Ask("miss", "foo: 1"), Ask("miss", "foo: 2")],
    ),
    Case(
        "invalidate-not-another-query",
        [Answer(HOUR)],
        [Ask("miss", query="?a=1"), Ask("miss", method="POST", query="?a=2"), Ask("hit", query="?a=1")],
    ),
    Case(
        "invalidate-no-store-request",
        [Answer(HOUR)],
        [Ask("miss"), Ask("miss", "cache-control: no-store", "POST"), Ask("miss")],
    ),
    Case("options-keeps", [Answer(HOUR)], [Ask("miss"), Ask("miss", method="OPTIONS"), Ask("hit")]),
    Case("options-is-not-kept", [Answer(HOUR)], [Ask("miss", method="OPTIONS"), Ask("miss"), Ask("hit")]),
    Case("post-is-not-kept", [Answer(HOUR)], [change("POST"), change("POST"), Ask("miss"), Ask("hit")]),
    Case("post-goes-through", [Answer(HOUR)], [Ask("miss"), change("POST")]),
    Case(
        "post-with-its-own-content-location",
        [Answer(f"{HOUR}\ncontent-location: /post-with-its-own-content-location")],
        [change("POST"), Ask("miss"), Ask("hit")],
    ),
    Case("get-with-body", [Answer(HOUR)], [Ask("miss", body=b"a"), Ask("miss", body=b"b"), Ask("miss"), Ask("hit")]),
    Case("get-with-body-not-answered", [Answer(HOUR)], [Ask("miss"), Ask("miss", body=b"a"), Ask("hit")]),
    Case(
        "method-override",
        [Answer(HOUR)],
        [Ask("miss"), Ask("miss", "x-http-method-override: DELETE"), Ask("hit")],
    ),
)
async def test_methods(rig: Rig, case: Case) -> None:
    await rig.run(case)


async def test_a_304_for_something_else_is_not_taken_for_ours(rig: Rig) -> None:
    script = rig.origin.plays(
        "other-304", Answer(f'{STALE}\netag: "a"'), Answer('etag: "z"', 304), Answer(f'{HOUR}\netag: "z"')
    )
    async with connect(rig.port) as client:
        assert (await asked(client, "other-304")).body == b"other-304 0"
        assert (await asked(client, "other-304")).body == b"other-304 2"
        assert [request.field("if-none-match") for request in script.received] == [None, '"a"', None]
        assert (await asked(client, "other-304")).body == b"other-304 2"
        assert len(script.received) == 3


async def test_many_variants_of_one_path_stay_apart(rig: Rig) -> None:
    script = rig.origin.plays("variants", Answer(f"{HOUR}\nvary: foo"))
    async with connect(rig.port) as client:
        first = [(await asked(client, "variants", [("foo", str(n))])).body for n in range(30)]
        again = [(await asked(client, "variants", [("foo", str(n))])).body for n in range(30)]
    assert again == first
    assert len(script.received) == len(set(first)) == 30
