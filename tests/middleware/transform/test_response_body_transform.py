"""Response body transform: the seeds' answer, and what is true of messages afterwards."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.headers import Headers
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.middleware.transform.response_body_transform import ResponseBodyTransform, TransformFailed
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware
from tests.support.transforms import (
    CLOCK,
    JOINED,
    JSON,
    USER,
    Service,
    Stream,
    answer,
    ask,
    body_transform,
    counts,
    got,
    on_answers,
)


async def test_what_is_not_json_streams_through_a_body_transform() -> None:
    stream = Stream(b"data: 1\n\n", endless=True)
    given_ = Response(200, {"content-type": "text/event-stream", "etag": '"a"'}, stream)
    middleware = on_answers()
    response = await got(middleware, given_)
    assert response is given_
    assert stream.taken == 0
    assert response.header("etag") == '"a"'
    assert counts(middleware) == (0, 1, 0)
    await response.close()


@pytest.mark.parametrize(
    "given_",
    [
        answer(status=404),
        answer(status=500),
        answer(status=206),
        answer(status=204, body=b""),
        answer(content_type="text/plain"),
        answer(content_type="application/x-ndjson"),
        answer(content_type="bad type"),
        answer(body=b""),
        Response(200, {}, USER),
    ],
)
async def test_other_answers_pass_untouched(given_: Response) -> None:
    middleware = on_answers()
    before, body = [*given_.headers], given_.body
    response = await got(middleware, given_)
    assert (response.status, [*response.headers], await response.read()) == (given_.status, before, body)
    assert counts(middleware) == (0, 1, 0)


async def test_problem_documents_are_json_where_their_statuses_are_named() -> None:
    body = ResponseBodyTransform(body_transform("{message: title}"), statuses={404})
    given_ = answer(b'{"title": "x"}', 404, content_type="application/problem+json")
    response = await got(TransformMiddleware(CLOCK, response_body=body), given_)
    assert await response.read() == b'{"message":"x"}'


async def test_a_changed_answer_has_true_headers() -> None:
    compressed = gzip.compress(USER)
    given_ = answer(
        Stream(compressed[:9], compressed[9:]),
        content_encoding="gzip",
        content_length=str(len(compressed)),
        etag='"v7"',
        digest="x",
        content_digest="x",
        repr_digest="x",
        content_md5="x",
        accept_ranges="bytes",
        last_modified="Mon, 15 Jan 2024 10:30:00 GMT",
        vary="accept-encoding",
    )
    service, middleware = Service(given_), on_answers()
    response = await ask(middleware, service, method="GET")
    assert service.closed == 1, "the service's part is over when its body has been read"
    body = await response.read()
    assert json.loads(body) == {"id": 123, "joined": "Jan 15, 2024"}
    assert dict(response.headers) == {
        **JSON,
        "etag": f'W/"v7-{body_transform(JOINED).name.decode()}"',
        "last-modified": "Mon, 15 Jan 2024 10:30:00 GMT",
        "vary": "accept-encoding",
        "content-length": str(len(body)),
    }
    assert counts(middleware) == (1, 0, 0)


async def test_head_says_what_get_would_but_for_what_needs_the_body() -> None:
    given_ = answer(b"", content_length="70", etag='"v7"', content_encoding="gzip", accept_ranges="bytes")
    response = await ask(on_answers(), Service(given_), method="HEAD")
    assert dict(response.headers) == {**JSON, "etag": f'W/"v7-{body_transform(JOINED).name.decode()}"'}


async def test_a_client_can_ask_whether_its_version_is_still_the_one() -> None:
    middleware = on_answers()
    tag = (await got(middleware, answer(etag='"v7"'))).header("etag")
    assert tag is not None
    service = Service(Response(304, {"etag": '"v7"', "content-length": "70"}))
    response = await ask(middleware, service, headers={"if-none-match": tag}, method="GET")
    assert service.asked.header("if-none-match") == 'W/"v7"'
    assert (response.status, dict(response.headers)) == (304, {"etag": tag})


async def test_304_keeps_the_tag_of_a_body_that_was_never_changed() -> None:
    given_ = Response(304, {"etag": '"v7"'})
    response = await got(on_answers(), given_, {"if-none-match": '"v6", "v7"'})
    assert response.header("etag") == '"v7"'
    response = await got(on_answers(), Response(304, {"etag": '"v7"'}), {"if-modified-since": "x"})
    assert (response.header("etag") or "").startswith('W/"v7-')


async def test_another_expression_makes_another_version() -> None:
    first, second = [(await got(on_answers(text), answer(etag='"v7"'))).header("etag") for text in ("@", "user_id")]
    assert first != second
    service = Service()
    await ask(on_answers("user_id"), service, headers={"if-none-match": first or ""}, method="GET")
    assert service.asked.header("if-none-match") == first


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, GZIP;q=0.8", "gzip"),
        ("br", "identity"),
        ("gzip;q=0", "identity"),
        ("gzip; q=0.000, br", "identity"),
        ("gzip;q=0.001", "gzip"),
        ("xgzipx", "identity"),
        (None, "identity"),
    ],
)
async def test_the_service_is_asked_for_what_can_be_read(accepted: str | None, asked: str) -> None:
    service = Service()
    await ask(on_answers(), service, headers={} if accepted is None else {"accept-encoding": accepted}, method="GET")
    assert service.asked.headers.get_all("accept-encoding") == [asked]


async def test_no_range_of_the_old_body_is_asked_for() -> None:
    service = Service()
    await ask(on_answers(), service, headers={"range": "bytes=0-", "if-range": '"v7"'}, method="GET")
    assert dict(service.asked.headers) == {"accept-encoding": "identity"}


FAILING = [
    answer(b"{"),
    answer(b'{"created_at": "yesterday"}'),
    answer(b'{"a": 1, "a": 2}'),
    answer(USER, content_type="application/json; charset=utf-16"),
    answer(USER, content_encoding="br"),
    answer(USER, content_encoding="gzip"),
    answer(b'"%b"' % (b"a" * 1000)),
]


def again(given_: Response, *, streamed: bool) -> Response:
    assert isinstance(given_.body, bytes)
    body = given_.body
    return Response(given_.status, given_.headers, Stream(body[:1], body[1:]) if streamed else body)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("given_", FAILING)
async def test_an_answer_that_cannot_be_changed_is_a_502_and_closed(given_: Response, streamed: bool) -> None:
    service, middleware = Service(again(given_, streamed=streamed)), on_answers()
    with pytest.raises(TransformFailed) as caught:
        await ask(middleware, service, method="GET")
    assert (caught.value.status, caught.value.code) == (502, "transform-failed")
    assert service.closed == 1
    assert counts(middleware) == (0, 0, 1)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("given_", FAILING)
async def test_or_passed_on_as_it_is_with_a_line_in_the_log(
    given_: Response, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    service, middleware = Service(again(given_, streamed=streamed)), on_answers(pass_on=True)
    response = await ask(middleware, service, method="GET")
    assert [*response.headers] == [*given_.headers]
    assert await response.read() == given_.body
    assert service.closed == 1
    assert counts(middleware) == (0, 0, 1)
    assert [record.levelname for record in caplog.records if record.name == "api_gateway.transform"] == ["WARNING"]
    assert "passed on as it is" in caplog.text
    assert "yesterday" not in caplog.text


async def test_an_answer_that_is_announced_too_large_is_not_read() -> None:
    stream = Stream(b"[1", b"]")
    service = Service(answer(stream, content_length="1001"))
    with pytest.raises(TransformFailed):
        await ask(on_answers(), service, method="GET")
    assert (stream.taken, service.closed) == (0, 1)


async def test_an_endless_json_answer_is_cut_at_the_limit() -> None:
    stream = Stream(b"[" * 100, endless=True)
    service = Service(answer(stream))
    with pytest.raises(TransformFailed):
        await ask(on_answers(), service, method="GET")
    assert (stream.taken, stream.closed, service.closed) == (11, True, 1)


async def test_one_that_is_passed_on_is_not_held_in_memory_and_closes_its_service() -> None:
    stream = Stream(b"[" * 100, endless=True)
    service = Service(answer(stream))
    response = await ask(on_answers(pass_on=True), service, method="GET")
    chunks = response.stream()
    assert await anext(chunks) == b"[" * 1100
    assert await anext(chunks) == b"[" * 100
    assert stream.taken == 12
    await response.close()
    assert (stream.closed, service.closed) == (True, 1)


async def test_one_that_is_passed_on_and_discarded_unread_is_closed() -> None:
    stream = Stream(b"[" * 100, endless=True)
    service = Service(answer(stream))
    response = await ask(on_answers(pass_on=True), service, method="GET")
    await response.close()
    await response.close()
    assert (stream.closed, service.closed) == (True, 1)


async def test_a_service_that_dies_in_its_answer_is_its_own_error() -> None:
    service, middleware = Service(answer(Stream(b"[1", UpstreamReset()))), on_answers(pass_on=True)
    with pytest.raises(UpstreamReset):
        await ask(middleware, service, method="GET")
    assert service.closed == 1
    assert isinstance(service.answer.failure, UpstreamReset)
    assert counts(middleware) == (0, 0, 0)


async def test_a_cancelled_request_closes_what_is_being_read() -> None:
    class Stuck(Stream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                yield b"["
                await asyncio.Event().wait()
            finally:
                self.closed = True

    stream = Stuck()
    service = Service(answer(stream))
    task = asyncio.ensure_future(ask(on_answers(), service, method="GET"))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (stream.closed, service.closed) == (True, 1)


@given(
    st.binary(max_size=200) | st.sampled_from([USER, b"{}", b"[]"]),
    st.sampled_from(["application/json", "a/b+json", "text/plain", "application/json; charset=x", ";"]),
    st.sampled_from(["", "gzip", "br", "deflate, gzip"]),
    st.integers(200, 599),
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from([b"etag", b"digest", b"x-a", b"content-length"]), st.binary(max_size=10)), max_size=3
    ),
)
async def test_any_answer_is_changed_passed_or_refused(
    body: bytes, kind: str, coding: str, status: int, pass_on: bool, more: list[tuple[bytes, bytes]]
) -> None:
    headers = Headers.from_pairs([(b"content-type", kind.encode()), (b"content-encoding", coding.encode()), *more])
    service, middleware = Service(Response(status, headers, Stream(body))), on_answers(pass_on=pass_on)
    try:
        response = await ask(middleware, service, method="GET")
    except TransformFailed:
        assert not pass_on
    else:
        content = await response.read()
        if counts(middleware)[0]:
            assert response.headers.get_all("content-length") == [str(len(content))]
            json.loads(content)
        else:
            assert content == body
    assert service.closed == 1
