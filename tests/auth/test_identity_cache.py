"""Identity cache: with a clock that is moved by hand."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.identity_cache import IdentityCache, Refused, key_of
from api_gateway.core.clock import ManualClock
from api_gateway.core.identity import Identity

REVOKED = Refused("The token is not active.")
KEY = key_of("token")


def ada(expires: float | None = None) -> Identity:
    return Identity("ada", "introspection", expires=expires)


def cache(
    clock: ManualClock, *, fresh: float = 60, refused: float = 5, stale: float = 600, most: int = 10
) -> IdentityCache:
    return IdentityCache(clock, fresh_for=fresh, refused_for=refused, stale_for=stale, max_entries=most)


def test_an_identity_is_fresh_then_stale_then_forgotten() -> None:
    clock, identity = ManualClock(), ada()
    known = cache(clock)
    known.learn(KEY, identity)
    clock.advance(59.999)
    assert known.fresh(KEY) is known.stale(KEY) is identity
    clock.advance(0.001)
    assert (known.fresh(KEY), known.stale(KEY)) == (None, identity)
    clock.advance(599.999)
    assert known.stale(KEY) is identity
    clock.advance(0.001)
    assert (known.fresh(KEY), known.stale(KEY), len(known)) == (None, None, 0)


@pytest.mark.parametrize("seconds", [30, 60, 300])
def test_nothing_lasts_beyond_the_tokens_own_expiry(seconds: int) -> None:
    clock = ManualClock(wall=1000)
    known = cache(clock)
    known.learn(KEY, ada(1000 + seconds))
    clock.advance(seconds - 1)
    assert known.stale(KEY) is not None
    clock.advance(1)
    assert (known.fresh(KEY), known.stale(KEY)) == (None, None)


def test_a_wall_clock_that_was_set_forward_expires_what_it_must() -> None:
    clock = ManualClock(wall=1000)
    known = cache(clock)
    known.learn(KEY, ada(1030))
    clock._wall = 5000
    assert (known.fresh(KEY), known.stale(KEY)) == (None, None)


def test_a_refusal_is_kept_briefly() -> None:
    clock = ManualClock()
    known = cache(clock)
    known.learn(KEY, REVOKED)
    clock.advance(4.999)
    assert known.fresh(KEY) is REVOKED
    clock.advance(0.001)
    assert (known.fresh(KEY), len(known)) == (None, 0)


@pytest.mark.parametrize("refused_for", [0, 5])
def test_a_refusal_takes_the_identity_away_also_after_it_has_been_forgotten(refused_for: float) -> None:
    clock = ManualClock()
    known = cache(clock, refused=refused_for)
    known.learn(KEY, ada())
    known.learn(KEY, REVOKED)
    assert (known.fresh(KEY), known.stale(KEY)) == (REVOKED if refused_for else None, None)
    clock.advance(6)
    assert (known.fresh(KEY), known.stale(KEY)) == (None, None)


def test_an_identity_takes_a_refusal_away() -> None:
    known, identity = cache(ManualClock()), ada()
    known.learn(KEY, REVOKED)
    known.learn(KEY, identity)
    assert (known.fresh(KEY), len(known)) == (identity, 1)


def test_learning_again_lasts_from_then_on() -> None:
    clock = ManualClock()
    known = cache(clock)
    known.learn(KEY, ada())
    clock.advance(50)
    known.learn(KEY, ada())
    clock.advance(50)
    assert known.fresh(KEY) is not None


def test_the_least_recently_used_goes_first_and_use_while_down_counts() -> None:
    clock = ManualClock()
    known = cache(clock, most=3)
    for token in "abc":
        known.learn(key_of(token), ada())
    known.fresh(key_of("a"))
    clock.advance(100)
    known.stale(key_of("b"))
    known.learn(key_of("d"), ada())
    known.learn(key_of("e"), ada())
    assert [token for token in "abcde" if known.stale(key_of(token))] == ["b", "d", "e"]


def test_a_flood_of_made_up_tokens_pushes_no_caller_out() -> None:
    known = cache(ManualClock(), most=10)
    known.learn(KEY, ada())
    for number in range(1000):
        known.learn(key_of(str(number)), REVOKED)
    assert known.fresh(KEY) is not None
    assert len(known) == 11


def test_nothing_is_fresh_where_that_takes_no_time() -> None:
    known = cache(ManualClock(), fresh=0)
    known.learn(KEY, ada())
    assert known.fresh(KEY) is None
    assert known.stale(KEY) is not None


def test_no_token_is_kept_or_shown() -> None:
    known = cache(ManualClock())
    known.learn(key_of("s3cret-token"), ada())
    assert list(known._known) == [key_of("s3cret-token")]
    assert len(key_of("s3cret-token")) == 32
    assert repr(known) == "<IdentityCache 1 identities, 0 refusals>"


@pytest.mark.parametrize("wrong", [{"fresh": -1}, {"refused": -1}, {"stale": -1}, {"most": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        cache(ManualClock(), **cast("dict[str, int]", wrong))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["active", "revoked", "look", "wait"]), st.sampled_from("abcde"), st.integers(0, 400)
        ),
        max_size=60,
    )
)
def test_whatever_happens_it_knows_no_more_than_it_was_told_last(steps: list[tuple[str, str, int]]) -> None:
    clock = ManualClock()
    known = cache(clock, most=3)
    told: dict[str, tuple[float, Identity | Refused]] = {}
    for step, token, number in steps:
        key = key_of(token)
        if step == "wait":
            clock.advance(number)
        elif step == "active":
            identity = ada(clock.wall() + number)
            known.learn(key, identity)
            told[token] = clock.wall(), identity
        elif step == "revoked":
            known.learn(key, REVOKED)
            told[token] = clock.wall(), REVOKED
        fresh, stale = known.fresh(key), known.stale(key)
        at, last = told.get(token, (0.0, None))
        age = clock.wall() - at
        assert fresh is None or (fresh is last and age < (5 if last is REVOKED else 60))
        assert stale is None or (stale is last and age < 660)
        for found in (fresh, stale):
            assert not isinstance(found, Identity) or found.expires is None or clock.wall() < found.expires
        assert len(known) <= 6
