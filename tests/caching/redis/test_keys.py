"""The names of keys: apart, in one slot, and found by their prefix and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.caching.redis.keys import LONGEST_KEY, LONGEST_TAG, Keys
from tests.support.valkey import Valkey

KEYS = Keys("api-gateway")


def test_they_can_be_read_by_people() -> None:
    assert KEYS.answers("GET https://a.example/b") == b"{api-gateway}:cache:1:answers:GET https://a.example/b"
    assert KEYS.tag("products") == b"{api-gateway}:cache:1:tag:products"
    assert KEYS.probe == "{api-gateway}:cache:probe"


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b"])
def test_a_prefix_that_could_not_be_a_hash_tag_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="without braces"):
        Keys(prefix)


def test_too_long_a_key_has_no_place_and_too_long_a_tag_a_short_one_of_its_own() -> None:
    assert KEYS.answers("k" * LONGEST_KEY) is not None
    assert KEYS.answers("k" * (LONGEST_KEY + 1)) is None
    assert KEYS.answers("\u20ac" * (LONGEST_KEY // 3 + 1)) is None
    long = [KEYS.tag("t" * LONGEST_TAG + end) for end in ("", "a", "b")]
    assert len(set(long)) == 3
    assert max(map(len, long)) < 200


@settings(max_examples=60)
@given(st.text("ab*?[]\\^-{}\x00\u20ac\udc80", max_size=6), st.text("ab*?[]\\^-{}\x00\u20ac\udc80", max_size=4))
def test_the_server_finds_the_keys_that_begin_with_a_prefix_and_no_others(
    shared_server: Valkey, key: str, prefix: str
) -> None:
    name = KEYS.answers(key)
    with shared_server.client() as client:
        client.flushall()
        client.execute_command("SET", name, "")
        found = client.execute_command("KEYS", KEYS.pattern(prefix))
    assert found == ([name] if key.startswith(prefix) else [])
