"""Bytes to answers: the same however they are cut, and never a clean end that is none."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api_gateway.core.upstream_errors import UpstreamProtocolError
from api_gateway.transport.http1.response_parser import MAX_FIELDS, MAX_HEAD_BYTES, MAX_INTERIM, ResponseParser
from tests.support.misbehaving_origin import CANNED
from tests.support.naive_response_parser import Malformed, Message, parse

HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass
class Outcome:
    """What a parser made of its bytes."""

    parser: ResponseParser
    body: bytes

    @property
    def reusable(self) -> bool:
        return self.parser.complete and self.parser.keep_alive and not self.parser.surplus


def fed(*pieces: bytes, head_only: bool = False, parser: ResponseParser | None = None) -> Outcome:
    parser = parser or ResponseParser()
    parser.expect(head_only)
    body = b""
    for piece in pieces:
        parser.feed(piece)
        body += b"".join(parser.chunks)
    return Outcome(parser, body)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


# Valid answers.

TOKENS = st.sampled_from([b"X-One", b"etag", b"Content-Type", b"set-cookie", b"~"])
VALUES = st.binary(max_size=12).map(lambda raw: bytes(byte for byte in raw if byte > 31 and byte != 127).strip(b" "))
FIELDS = st.lists(st.tuples(TOKENS, VALUES), max_size=4)


def _lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


@st.composite
def valid_answers(draw: st.DrawFn) -> tuple[bytes, bool, Message]:
    fields = draw(FIELDS)
    status = draw(st.sampled_from([200, 201, 204, 206, 301, 304, 404, 500, 599]))
    head_only = draw(st.booleans())
    chunks = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    body = b"".join(chunks)
    bodiless = head_only or status in (204, 304)
    if status == 204:
        wire = b""
    elif draw(st.booleans()):
        fields.insert(draw(st.integers(0, len(fields))), (b"Content-Length", b"%d" % len(body)))
        wire = body
    else:
        fields.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"]))))
        extension = draw(st.sampled_from([b"", b";name=value", b';name="quoted"']))
        trailers = draw(FIELDS)
        wire = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
        wire += b"0\r\n" + _lines(trailers) + b"\r\n"
    if bodiless:
        body = wire = b""
    interim = b"".join(
        b"HTTP/1.1 10%d Wait\r\nlink: </a>\r\n\r\n" % kind
        for kind in draw(st.lists(st.sampled_from([0, 2, 3]), max_size=2))
    )
    data = interim + b"HTTP/1.1 %d Reason\r\n" % status + _lines(fields) + b"\r\n" + wire
    return data, head_only, Message(status, [(name.lower(), value) for name, value in fields], body, b"")


@given(valid_answers(), st.lists(st.integers(0, 10_000), max_size=12))
def test_a_valid_answer_is_the_same_however_it_is_cut(answer: tuple[bytes, bool, Message], cuts: list[int]) -> None:
    data, head_only, expected = answer
    outcome = fed(*cut(data, cuts), head_only=head_only)
    assert (outcome.parser.status, outcome.parser.headers) == (expected.status, expected.headers)
    assert outcome.body == expected.body
    assert outcome.parser.complete
    assert not outcome.parser.surplus or head_only
    assert parse(data, head_only=head_only) == expected  # the oracle is right, too


@given(st.lists(valid_answers(), min_size=2, max_size=4))
@settings(max_examples=50)
def test_a_connection_stays_in_step_over_many_answers(answers: list[tuple[bytes, bool, Message]]) -> None:
    parser = ResponseParser()
    for data, head_only, expected in answers:
        outcome = fed(data, head_only=head_only, parser=parser)
        assert (parser.status, outcome.body) == (expected.status, expected.body)
        assert outcome.reusable or head_only


@given(valid_answers())
def test_an_unfinished_answer_is_never_complete(answer: tuple[bytes, bool, Message]) -> None:
    data, head_only, _ = answer
    assert not fed(data[:-1], head_only=head_only).parser.complete


@given(valid_answers(), st.sampled_from([b"x", b"HTTP/1.1 200 OK\r\n", b"\x00", b"0\r\n\r\n", b"H"]), st.booleans())
def test_bytes_behind_an_answer_are_surplus(answer: tuple[bytes, bool, Message], more: bytes, apart: bool) -> None:
    data, head_only, expected = answer
    outcome = fed(data, more, head_only=head_only) if apart else fed(data + more, head_only=head_only)
    assert outcome.parser.surplus
    assert outcome.body == expected.body


# Anything else.

FRAGMENTS = st.sampled_from([
    b"\r\n", b"\n", b"\r", b"\x00", b"\t", b" ", b":", b";", b"0", b"1", b"5", b"-", b"+", b",", b"x", b"\xff",
    b"0\r\n\r\n", b"\r\n\r\n", b"Content-Length: 3\r\n", b"Content-Length: 03\r\n", b"content-length:3,3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: chunked\t\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Upgrade: h2c\r\n", b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n", b"HTTP/2.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 150 Odd\r\n",
    b"HTTP/1.1 204 No\r\n", b"HTTP/1.1 304 No\r\n", b"HTTP/1.1 999 No\r\n", b" folded\r\n", b"a: b\r\n", b"a : b\r\n",
    b"3\r\nabc\r\n", b"3;e=v\r\nabc\r\n", b"0x3\r\nabc\r\n", b"abc",
])  # fmt: skip


@st.composite
def mutated_answers(draw: st.DrawFn) -> tuple[bytes, bool]:
    data, head_only, _ = draw(valid_answers())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        skipped = draw(st.integers(0, 6))
        data = data[:place] + draw(st.one_of(st.just(b""), FRAGMENTS)) + data[place + skipped :]
    return data, head_only


def check_against_the_oracle(data: bytes, head_only: bool, cuts: list[int]) -> None:
    try:
        outcome = fed(*cut(data, cuts), head_only=head_only)
    except UpstreamProtocolError:
        return
    if outcome.reusable:
        try:
            expected = parse(data, head_only=head_only)
        except Malformed as error:
            pytest.fail(f"taken for whole and in order: {data!r}; but: {error!r}")
        assert (outcome.parser.status, outcome.parser.headers) == (expected.status, expected.headers)
        assert outcome.body == expected.body
        assert expected.rest.strip(b"\r\n") == b""


@given(mutated_answers(), st.lists(st.integers(0, 10_000), max_size=4))
@settings(max_examples=500)
@example(
    (b"HTTP/1.1 150 Odd\r\nContent-Length: 4\r\n\r\nevilHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False), []
)
@example((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", False), [])
@example((b"HTTP/2.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", False), [])
def test_what_is_used_again_was_whole_and_in_order_by_the_oracle(answer: tuple[bytes, bool], cuts: list[int]) -> None:
    check_against_the_oracle(*answer, cuts)


@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=5)), max_size=30).map(b"".join), st.booleans())
@settings(max_examples=200)
def test_arbitrary_bytes_raise_nothing_but_a_protocol_error(data: bytes, head_only: bool) -> None:
    check_against_the_oracle(data, head_only, [])
    check_against_the_oracle(HEAD + data, head_only, [])


@pytest.mark.parametrize("head_only", [False, True])
@pytest.mark.parametrize("name", CANNED)
def test_every_canned_answer_gives_the_same_in_one_piece_and_byte_by_byte(name: str, head_only: bool) -> None:
    data = CANNED[name][:5000]
    check_against_the_oracle(data, head_only, [])
    results = []
    for pieces in ([data], [data[place : place + 1] for place in range(len(data))]):
        try:
            outcome = fed(*pieces, head_only=head_only)
            results.append((outcome.parser.status, outcome.parser.headers, outcome.body))
        except UpstreamProtocolError:
            results.append((0, [], b""))
    if results[1][0]:  # byte by byte, an answer may be there before the fault that spoils it in one piece
        assert results[0] in (results[1], (0, [], b""))
    else:
        assert results[0] == (0, [], b"")


# Bounds.


def test_interim_answers_are_skipped_up_to_a_bound() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert fed(interim * MAX_INTERIM + HEAD + b"Content-Length: 0\r\n\r\n").reusable
    with pytest.raises(UpstreamProtocolError):
        fed(interim * (MAX_INTERIM + 1))


def test_fields_are_counted_while_they_come() -> None:
    assert fed(HEAD + b"a:\r\n" * (MAX_FIELDS - 1) + b"Content-Length: 0\r\n\r\n").reusable
    with pytest.raises(UpstreamProtocolError, match="fields"):
        fed(HEAD + b"a:\r\n" * (MAX_FIELDS + 2))


@pytest.mark.parametrize("in_one_piece", [True, False])
def test_head_bytes_are_bounded(in_one_piece: bool) -> None:
    data = HEAD + b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(UpstreamProtocolError):
        fed(*([data] if in_one_piece else cut(data, list(range(0, len(data), 1000)))))


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"a: b\r\n" * 12_000, b"5;" + b"a" * 70_000], ids=["trailers", "chunk extension"]
)
def test_bytes_without_body_are_bounded_behind_the_head_too(endless: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        fed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *cut(endless, list(range(0, 80_000, 1000))))


def test_a_body_is_not_bounded() -> None:
    outcome = fed(HEAD + b"Content-Length: 1000000\r\n\r\n", *[bytes(10_000)] * 100)
    assert outcome.reusable
    assert len(outcome.body) == 1_000_000


# Ends.


@pytest.mark.parametrize(
    ("data", "ended"),
    [
        (b"", False),
        (HEAD, False),
        (HEAD + b"\r\n", True),
        (HEAD + b"\r\nbody", True),
        (HEAD + b"Content-Length: 5\r\n\r\nbody", False),
        (HEAD + b"Content-Length: 4\r\n\r\nbody", True),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
    ],
)
def test_an_end_of_the_connection_ends_only_an_answer_without_a_length(data: bytes, ended: bool) -> None:
    assert fed(data).parser.ended() is ended


def test_white_space_around_values_is_not_part_of_them() -> None:
    outcome = fed(HEAD + b"a: \t b c \t\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\n")
    assert outcome.parser.headers == [(b"a", b"b c"), (b"transfer-encoding", b"chunked")]
    assert outcome.reusable
