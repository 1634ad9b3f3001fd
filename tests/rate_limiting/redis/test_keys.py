"""Keys that no two limits and callers share, and that no caller can make long."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.redis.keys import LONGEST, head_of, tail_of
from api_gateway.rate_limiting.redis.numbers import numbers_of
from api_gateway.redis_link.hash_tag import check_prefix


def head(limit: Limit, prefix: str = "api-gateway") -> bytes:
    return head_of(prefix, limit, numbers_of(limit, 30))


def test_a_key_tells_where_it_belongs() -> None:
    limit = Limit("per-minute", "gcra", 100, 60.0)
    assert head(limit) + tail_of("192.0.2.7") == b"{api-gateway}:1:gcra:600000-1:per-minute:192.0.2.7"


def test_another_algorithm_has_another_key() -> None:
    """limits 5.8: fixed and moving windows share one, and a switch ends in WRONGTYPE."""
    limits = [
        Limit("same", "fixed_window", 5, 60.0),
        Limit("same", "sliding_window_log", 5, 60.0),
        Limit("same", "sliding_window_counter", 5, 60.0),
        Limit("same", "gcra", 5, 60.0),
        Limit("same", "token_bucket", 5, 60.0),
        Limit("same", "concurrency", 5),
    ]
    for one, other in itertools.combinations(limits, 2):
        assert head(one) != head(other)


def test_no_name_and_key_look_like_another_pair() -> None:
    short, long = Limit("a", "fixed_window", 5, 60.0), Limit("a:b", "fixed_window", 5, 60.0)
    assert head(short) + tail_of("b:c") != head(long) + tail_of("c")
    odd = head(Limit("{x} %/\u00e4\ud800", "gcra", 5, 60.0))
    assert odd.count(b"{") == 1
    assert odd.count(b":") == 5


@given(st.text(max_size=400), st.text(max_size=400))
def test_different_callers_have_different_keys(one: str, other: str) -> None:
    assert (tail_of(one) == tail_of(other)) == (one == other)


def test_a_long_key_is_cut_and_stays_different_from_all_others() -> None:
    longest = "x" * LONGEST
    assert tail_of(longest) == longest.encode()
    cut = tail_of(longest + "y")
    assert len(cut) == LONGEST + 1
    assert cut != tail_of(longest + "z")
    assert tail_of(cut.decode()) != cut, "whoever asks by the digest does not get the other's key"
    assert len(tail_of("\ud800" * 100_000)) == LONGEST + 1


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b"])
def test_a_prefix_that_is_no_hash_tag_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="without braces"):
        check_prefix(prefix)
