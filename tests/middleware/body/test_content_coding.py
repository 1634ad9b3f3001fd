"""Content codings: whole, single, and never more than the limit."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from api_gateway.core.headers import Headers
from api_gateway.middleware.body.content_coding import content_coding, decoded

LIMIT = 1000


def coding(*values: str) -> str:
    return content_coding(Headers([("content-encoding", value) for value in values]))


def bare(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], ""), (["identity"], ""), (["GZip"], "gzip"), (["x-gzip"], "x-gzip"), ([" deflate , identity"], "deflate")],
)
def test_one_coding_is_known(values: list[str], expected: str) -> None:
    assert coding(*values) == expected


@pytest.mark.parametrize("values", [["br"], ["zstd"], ["gzip, gzip"], ["gzip", "deflate"], ["nonsense"], ["gzip;q=1"]])
def test_unknown_and_layered_codings_are_unsupported_and_the_answer_says_which_are_not(values: list[str]) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        coding(*values)
    assert caught.value.headers.get("accept-encoding") == "gzip, deflate"


@given(st.binary(max_size=LIMIT))
def test_what_was_compressed_comes_out(content: bytes) -> None:
    assert decoded(gzip.compress(content), "gzip", LIMIT) == content
    assert decoded(gzip.compress(content), "x-gzip", LIMIT) == content
    assert decoded(zlib.compress(content), "deflate", LIMIT) == content


def test_exactly_the_limit_passes_and_a_byte_more_does_not() -> None:
    assert len(decoded(gzip.compress(b"x" * LIMIT), "gzip", LIMIT)) == LIMIT
    with pytest.raises(PayloadTooLarge):
        decoded(gzip.compress(b"x" * (LIMIT + 1)), "gzip", LIMIT)


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLarge):
            decoded(bomb, "gzip", 100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000


@pytest.mark.parametrize("cut", [0, 1, 5, 12, 20, -8, -4, -1])
def test_a_cut_off_stream_is_a_bad_request(cut: int) -> None:
    for whole, name in ((gzip.compress(b"x" * 100), "gzip"), (zlib.compress(bytes(range(200))), "deflate")):
        with pytest.raises(BadRequest, match="cut off"):
            decoded(whole[:cut], name, LIMIT)


@pytest.mark.parametrize("rest", [b"\0", b"garbage", gzip.compress(b"a second document", mtime=0), zlib.compress(b"x")])
def test_nothing_may_stand_behind_the_end(rest: bytes) -> None:
    with pytest.raises(BadRequest, match="behind its end"):
        decoded(gzip.compress(b"{}") + rest, "gzip", LIMIT)
    with pytest.raises(BadRequest, match="behind its end"):
        decoded(zlib.compress(b"{}") + rest, "deflate", LIMIT)


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_another_coding_than_was_named_is_a_bad_request(name: str) -> None:
    wrong = {"gzip": zlib.compress(b"{}"), "deflate": gzip.compress(b"{}")}[name]
    for body in (wrong, b"{}", bare(b"some text"), zlib.compressobj(zdict=b"dictionary").flush()):
        with pytest.raises(BadRequest):
            decoded(body, name, LIMIT)


def test_a_damaged_checksum_is_a_bad_request() -> None:
    whole = bytearray(gzip.compress(b"x" * 100))
    whole[-6] ^= 1
    with pytest.raises(BadRequest):
        decoded(bytes(whole), "gzip", LIMIT)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]), st.integers(0, 200), st.integers(0, 255))
def test_any_bytes_come_out_within_the_limit_or_are_refused(body: bytes, name: str, at: int, value: int) -> None:
    mutated = bytearray(gzip.compress(body) if name == "gzip" else zlib.compress(body))
    mutated[at % len(mutated)] = value
    for candidate in (body, bytes(mutated)):
        with contextlib.suppress(BadRequest, PayloadTooLarge):
            assert len(decoded(candidate, name, 50)) <= 50
