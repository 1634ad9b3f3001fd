"""Canonical request: what goes on, what is dropped, what is refused."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.core.canonical_request import HOP_BY_HOP, IDENTITY_HEADERS, canonical_request, without_hop_by_hop
from api_gateway.core.errors import BadRequest, ClientError, ExpectationFailed, MethodNotAllowed
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

HOST = (b"host", b"example.com")


async def passed_on(
    pairs: HeaderPairs, *, method: str = "GET", target: str = "/a", version: str = "1.1", body: bytes = b""
) -> Request:
    """What the next layer gets; raises what the layer raises."""
    seen: list[Request] = []

    async def further_in(request: Request, context: RequestContext) -> Response:
        seen.append(request)
        return Response(204)

    path, _, query = target.partition("?")
    request = Request.from_parts(method, path, query, Headers.from_pairs(pairs), body)
    before = list(pairs)
    await canonical_request(request, RequestContext(http_version=version), further_in)
    assert pairs == before, "the list the server owns is left alone"
    return seen[0]


async def kept(*pairs: tuple[bytes, bytes]) -> HeaderPairs:
    return (await passed_on([HOST, *pairs])).headers.pairs[1:]


async def refusal(*pairs: tuple[bytes, bytes], method: str = "GET", target: str = "/a", version: str = "1.1") -> str:
    with pytest.raises(ClientError) as caught:
        await passed_on(list(pairs), method=method, target=target, version=version)
    return f"{caught.value.status} {caught.value.detail}"


async def test_a_plain_request_passes_unchanged_and_in_order() -> None:
    pairs = [HOST, (b"accept", b"*/*"), (b"cookie", b"a=1"), (b"accept", b"text/html"), (b"content-length", b"3")]
    request = await passed_on(pairs, method="POST", target="/a?b=%00&c", body=b"abc")
    assert (request.method, request.target, request.headers.pairs, request.body) == (
        "POST",
        "/a?b=%00&c",
        pairs,
        b"abc",
    )


async def test_the_path_that_goes_on_is_canonical_and_the_query_is_left_alone() -> None:
    request = await passed_on([HOST], target="/x/..//%61?next=/../%2e")
    assert request.target == "/a?next=/../%2e"


async def test_a_path_without_a_single_meaning_is_400() -> None:
    assert (await refusal(HOST, target="/../a")).startswith("400 The path climbs")


@pytest.mark.parametrize("target", ["/a?b c", "/a?b#c", "/a?\x00", "/a?b\n", "/a?é", "/a?\x7f"])
async def test_a_query_with_a_raw_character_it_may_not_hold_is_400(target: str) -> None:
    assert (await refusal(HOST, target=target)).startswith("400 The query")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_trace_and_connect_are_405_with_the_methods_that_are_forwarded(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        await passed_on([HOST], method=method)
    assert caught.value.headers.get("allow") == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


# Hop-by-hop.


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
    ],
)
async def test_a_hop_by_hop_header_is_dropped(name: bytes) -> None:
    assert await kept((name, b"x"), (b"x-a", b"1")) == [(b"x-a", b"1")]


async def test_a_chunked_coding_is_accepted_and_dropped() -> None:
    assert await kept((b"transfer-encoding", b"Chunked")) == []


@pytest.mark.parametrize("value", [b"x-secret", b"X-Secret", b"keep-alive, X-Secret ,", b" ,x-secret\t"])
async def test_what_connection_names_is_dropped_wherever_it_stands(value: bytes) -> None:
    assert await kept((b"x-secret", b"1"), (b"connection", value), (b"x-secret", b"2"), (b"x-a", b"1")) == [
        (b"x-a", b"1")
    ]


async def test_every_connection_line_counts() -> None:
    named = ((b"connection", b"x-a"), (b"connection", b"x-b"))
    assert await kept(*named, (b"x-a", b"1"), (b"x-b", b"1"), (b"x-c", b"1")) == [(b"x-c", b"1")]


async def test_connection_cannot_remove_what_gives_the_message_its_meaning() -> None:
    length = (b"content-length", b"3")
    request = await passed_on([HOST, length, (b"connection", b"host, content-length")], body=b"abc")
    assert request.headers.pairs == [HOST, length]


async def test_connection_cannot_remove_what_the_request_id_layer_has_written() -> None:
    own = [(b"x-request-id", b"1"), (b"traceparent", b"00-1-2-01")]
    assert await kept((b"connection", b"X-Request-ID, Traceparent"), *own) == own


async def test_a_connection_header_of_any_length_is_obeyed_but_a_long_one_is_not_remembered() -> None:
    async def ask(number: int) -> HeaderPairs:
        names = b",".join(b"x-%d-%d" % (number, i) for i in range(3000))
        return await kept((b"connection", names + b",x-last"), (b"x-last", b"1"), (b"x-a", b"1"))

    assert await ask(0) == [(b"x-a", b"1")]
    tracemalloc.start()
    try:
        for number in range(1, 20):
            await ask(number)
        retained, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert retained < 256 * 1024


async def test_a_name_that_merely_resembles_a_named_one_stays() -> None:
    assert await kept((b"connection", b"x-a"), (b"x-ab", b"1")) == [(b"x-ab", b"1")]


@pytest.mark.parametrize("name", [b"x_user_id", b"x-user_id", b"_", b"x_forwarded_for", b"content_length"])
async def test_a_name_with_an_underscore_is_dropped(name: bytes) -> None:
    assert await kept((name, b"admin"), (b"x-user", b"1")) == [(b"x-user", b"1")]


@pytest.mark.parametrize("name", sorted(IDENTITY_HEADERS))
async def test_nobody_outside_says_who_is_calling(name: bytes) -> None:
    assert await kept((name, b"admin"), (b"x-user", b"1"), (name, b"root")) == [(b"x-user", b"1")]


_names = st.sampled_from([*sorted(HOP_BY_HOP), b"x-a", b"x-b", b"accept", b"x_a", b"content-length"])
_response_pairs = st.lists(st.tuples(_names, st.sampled_from([b"x-a", b"X-B, close", b"1", b"accept,te", b""])))


@settings(max_examples=300)
@given(_response_pairs)
def test_what_is_left_is_in_order_and_holds_nothing_about_the_connection(pairs: HeaderPairs) -> None:
    named = {token.strip().lower() for name, value in pairs if name == b"connection" for token in value.split(b",")}
    expected = [
        pair
        for pair in pairs
        if pair[0] not in HOP_BY_HOP and (pair[0] not in named or pair[0] in (b"host", b"content-length"))
    ]
    assert without_hop_by_hop(pairs) == expected


# Host.


@pytest.mark.parametrize(
    "host",
    [
        b"example.com",
        b"EXAMPLE.com:8080",
        b"a_b.test",
        b"10.0.0.1:80",
        b"[::1]",
        b"[2001:db8::1]:443",
        b"a.test.",
        b"a,b",
    ],
)
async def test_a_valid_host_passes_as_it_came(host: bytes) -> None:
    assert (await passed_on([(b"host", host)])).headers.pairs == [(b"host", host)]


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" ",
        b"a b",
        b"a/b",
        b"a@b",
        b"user@a.test",
        b"a?b",
        b"a#b",
        b"a:b",
        b"a:",
        b"a:123456",
        b"a:80:80",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"a\x00",
        b"a\xff",
        b"a\\b",
        b"%41.test",
        b"a.test\n",
    ],
)
async def test_an_invalid_host_is_400(host: bytes) -> None:
    assert (await refusal((b"host", host))).startswith("400 The Host header is not")


async def test_a_missing_host_is_400_on_http_1_1_only() -> None:
    assert (await refusal()).startswith("400 The Host header is missing")
    for version in ("1.0", "", "2"):
        assert (await passed_on([], version=version)).headers.pairs == []


@pytest.mark.parametrize("second", [b"example.com", b"other.test"])
async def test_two_hosts_are_400_even_where_they_agree(second: bytes) -> None:
    assert (await refusal(HOST, (b"host", second))).startswith("400 There is more than one Host")
    assert (await refusal(HOST, (b"host", second), version="1.0")).startswith("400")


async def test_a_host_longer_than_any_name_is_400_so_that_no_memory_of_it_is_kept() -> None:
    longest = b"a" * 253 + b":65535"
    assert (await passed_on([(b"host", longest)])).headers.pairs == [(b"host", longest)]
    assert (await refusal((b"host", b"a" + longest))).startswith("400 The Host header is not")


# Expect and Transfer-Encoding.


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
async def test_the_expectation_of_100_is_the_servers_to_answer_and_goes_no_further(value: bytes) -> None:
    assert await kept((b"expect", value)) == []


@pytest.mark.parametrize("value", [b"200-ok", b"", b"100-continue, x", b"100-continue;q=1"])
async def test_any_other_expectation_is_417(value: bytes) -> None:
    with pytest.raises(ExpectationFailed):
        await kept((b"expect", value))


@pytest.mark.parametrize("value", [b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"", b"xchunked"])
async def test_any_other_transfer_coding_is_400(value: bytes) -> None:
    with pytest.raises(BadRequest):
        await kept((b"transfer-encoding", value))


async def test_a_transfer_coding_on_http_1_0_is_400() -> None:
    assert (await refusal(HOST, (b"transfer-encoding", b"chunked"), version="1.0")).startswith("400 HTTP/1.0")


# Whatever comes.


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from([*sorted(HOP_BY_HOP), b"host", b"expect", b"x-a"]), st.binary(max_size=12))),
    st.text(max_size=12),
    st.sampled_from(["", "1.0", "1.1"]),
)
async def test_whatever_comes_is_passed_on_clean_or_refused_as_the_clients_fault(
    pairs: HeaderPairs, target: str, version: str
) -> None:
    try:
        request = await passed_on(pairs, target="/" + target, version=version)
    except ClientError:
        return
    names = [name for name, _ in request.headers.pairs]
    assert not HOP_BY_HOP & set(names)
    assert b"expect" not in names
    assert names.count(b"host") == (1 if version == "1.1" else min(names.count(b"host"), 1))
