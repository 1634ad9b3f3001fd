"""API keys: who is known by one, who is not, and that telling them apart says nothing to who has none."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth import api_key
from api_gateway.auth.api_key import LONGEST_KEY, ApiKeyAuthenticator, KeyRecord, NewKey, key_digest, new_key
from api_gateway.auth.authenticator import Authenticator, InvalidCredentials
from api_gateway.core.clock import ManualClock
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

ANNA, BORIS = new_key(), new_key()
WRONG = "The API key is not valid."


@dataclass
class Keys:
    """The simplest source of records."""

    value: Mapping[str, KeyRecord]


def record(key: NewKey, owner: str = "anna", *, expires: float | None = None, disabled: bool = False) -> KeyRecord:
    identity = Identity(owner, "api_key", consumer=owner, expires=expires)
    return KeyRecord(key.id, key_digest(key.text.encode()), identity, disabled)


def records(*some: KeyRecord) -> Keys:
    return Keys({one.id: one for one in some})


BOTH = records(record(ANNA), record(BORIS, "boris"))


def request(*values: str, header: str = "X-API-Key") -> Request:
    return Request("GET", "/", [("accept", "*/*"), *((header, value) for value in values)])


async def who(keys: Keys, *values: str, now: float = 0.0) -> Identity | None:
    return await ApiKeyAuthenticator(keys, ManualClock(wall=now)).authenticate(request(*values), RequestContext())


async def refusal(keys: Keys, *values: str, now: float = 0.0) -> str:
    with pytest.raises(InvalidCredentials) as error:
        await who(keys, *values, now=now)
    return str(error.value)


async def test_who_holds_the_secret_is_who_it_was_given_to() -> None:
    anna = await who(BOTH, ANNA.text)
    assert anna is BOTH.value[ANNA.id].identity, "made once, not for each request"
    boris = await who(BOTH, BORIS.text)
    assert boris is not None
    assert boris.subject == "boris"


async def test_without_the_header_nobody_is_claimed() -> None:
    assert await who(BOTH) is None


async def test_a_key_in_another_header_is_none() -> None:
    authenticator = ApiKeyAuthenticator(BOTH, ManualClock())
    for header in ("authorization", "x-api-keys", "api-key"):
        assert await authenticator.authenticate(request(ANNA.text, header=header), RequestContext()) is None


async def test_the_header_may_have_another_name() -> None:
    authenticator = ApiKeyAuthenticator(BOTH, ManualClock(), header="X-Team-Key")
    assert await authenticator.authenticate(request(ANNA.text), RequestContext()) is None
    assert await authenticator.authenticate(request(ANNA.text, header="x-team-key"), RequestContext()) is not None
    assert authenticator.credential_headers == {b"x-team-key"}
    assert authenticator.challenge == 'ApiKey realm="api", header="X-Team-Key"'


async def test_two_keys_of_one_owner_are_one_caller() -> None:
    keys = records(record(ANNA), record(BORIS))
    one, other = await who(keys, ANNA.text), await who(keys, BORIS.text)
    assert one is not None
    assert other is not None
    assert one.key == other.key, "a second key is no second quota"


@pytest.mark.parametrize(
    "value",
    [
        f"gw_{ANNA.id}_{BORIS.text.rpartition('_')[2]}",
        f"gw_{BORIS.id}_{ANNA.text.rpartition('_')[2]}",
        f"gw_{new_key().id}_{ANNA.text.rpartition('_')[2]}",
        ANNA.text[:-1],
        ANNA.text + "0",
        ANNA.text.upper(),
        ANNA.text.replace("gw_", "GW_"),
        f"Bearer {ANNA.text}",
        f"{ANNA.text},{ANNA.text}",
        key_digest(ANNA.text.encode()).hex(),
        f"gw_{ANNA.id}_{key_digest(ANNA.text.encode()).hex()}",
        f"gw_{ANNA.id}_",
        f"gw_{ANNA.id}",
        "gw__",
        "_",
        "x",
        "\xff_\xff_\xff",
    ],
    ids=map(str, count(1)),  # keys are made anew in each process of the tests, which must agree on the names
)
async def test_nothing_but_the_whole_key_will_do(value: str) -> None:
    assert await refusal(BOTH, value) == WRONG


async def test_a_match_with_the_stand_in_is_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key, "compare_digest", lambda *_: True)
    assert await refusal(Keys({}), ANNA.text) == WRONG


async def test_repeated_empty_and_giant_keys_are_refused_before_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key, "key_digest", lambda *_: pytest.fail("hashed"))
    assert await refusal(BOTH, ANNA.text, ANNA.text) == "The API key is there more than once."
    assert await refusal(BOTH, "", ANNA.text) == "The API key is there more than once."
    assert await refusal(BOTH, "") == "The API key is empty."
    assert await refusal(BOTH, ANNA.text + "0" * LONGEST_KEY) == "The API key is too long."


async def test_the_longest_key_is_still_looked_at() -> None:
    assert await refusal(BOTH, "x" * LONGEST_KEY) == WRONG
    assert await refusal(BOTH, "x" * (LONGEST_KEY + 1)) == "The API key is too long."


@pytest.mark.parametrize(
    "value",
    [ANNA.text, ANNA.text[:-1] + "g", f"gw_{new_key().id}_{'0' * 64}", "nonsense", f"gw_{ANNA.id}_"],
    ids=["right", "wrong secret", "unknown id", "no key at all", "no secret"],
)
async def test_whatever_the_key_one_digest_is_made_and_one_compared(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted_compare(one: bytes, other: bytes) -> bool:
        calls.append(f"compare {len(one)} with {len(other)} bytes")
        return hmac.compare_digest(one, other)

    def counted_digest(key: bytes) -> bytes:
        calls.append("digest")
        return key_digest(key)

    monkeypatch.setattr(api_key, "compare_digest", counted_compare)
    monkeypatch.setattr(api_key, "key_digest", counted_digest)
    if value == ANNA.text:
        assert await who(BOTH, value) is not None
    else:
        assert await refusal(BOTH, value) == WRONG
    assert calls == ["digest", "compare 32 with 32 bytes"]


async def test_a_key_works_until_the_second_it_expires() -> None:
    keys = records(record(ANNA, expires=1000.0))
    assert await who(keys, ANNA.text, now=999.999) is not None
    assert await refusal(keys, ANNA.text, now=1000.0) == "The API key has expired."


async def test_only_who_holds_the_key_learns_that_it_expired_or_is_disabled() -> None:
    keys = records(record(ANNA, expires=1.0), record(BORIS, "boris", disabled=True))
    assert await refusal(keys, BORIS.text, now=2.0) == "The API key is disabled."
    for key in (ANNA, BORIS):
        assert await refusal(keys, key.text[:-1] + "g", now=2.0) == WRONG


async def test_what_the_source_says_now_is_what_counts() -> None:
    keys = records(record(ANNA))
    authenticator = ApiKeyAuthenticator(keys, ManualClock())
    assert await authenticator.authenticate(request(ANNA.text), RequestContext()) is not None
    keys.value = {}
    with pytest.raises(InvalidCredentials):
        await authenticator.authenticate(request(ANNA.text), RequestContext())


@given(st.lists(st.binary(max_size=300), max_size=3))
def test_no_header_makes_anything_but_a_refusal(values: list[bytes]) -> None:
    authenticator = ApiKeyAuthenticator(BOTH, ManualClock())
    headers = Headers.from_pairs([(b"x-api-key", value) for value in values])
    asked = Request.from_parts("GET", "/", "", headers, b"")
    if not values:
        assert asyncio.run(authenticator.authenticate(asked, RequestContext())) is None
        return
    with pytest.raises(InvalidCredentials):
        asyncio.run(authenticator.authenticate(asked, RequestContext()))


@given(st.data())
def test_no_change_to_a_key_makes_another_key(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(ANNA.text) - 1))
    other = data.draw(
        st.characters(max_codepoint=255, exclude_categories=["Cc"]).filter(lambda c: c != ANNA.text[place])
    )
    changed = ANNA.text[:place] + other + ANNA.text[place + 1 :]
    if changed.strip() == changed:  # blanks around a value are not part of it
        assert asyncio.run(refusal(BOTH, changed)) == WRONG


def test_keys_are_made_of_256_random_bits_and_a_public_id() -> None:
    keys = [new_key() for _ in range(200)]
    for key in keys:
        assert re.fullmatch(rf"gw_{key.id}_[0-9a-f]{{64}}", key.text)
        assert re.fullmatch("[0-9a-f]{12}", key.id)
        assert len(key.text) == 80
    assert len({key.id for key in keys}) == len({key.text.rpartition("_")[2] for key in keys}) == 200


async def test_nothing_shows_a_key_or_its_hash() -> None:
    authenticator: Authenticator = ApiKeyAuthenticator(BOTH, ManualClock())
    secret, digest = ANNA.text.rpartition("_")[2], key_digest(ANNA.text.encode())
    wrong = ANNA.text[:-1] + "g"
    said = [
        repr(ANNA),
        str(ANNA),
        repr(BOTH.value[ANNA.id]),
        repr(BOTH),
        repr(authenticator),
        authenticator.challenge,
        await refusal(BOTH, wrong),
        await refusal(BOTH, ANNA.text, ANNA.text),
    ]
    for text in said:
        for hidden in (secret, secret[:8], digest.hex(), repr(digest)[2:-1]):
            assert hidden not in text
    assert ANNA.id in repr(ANNA), "the id is public"


async def test_a_refusal_keeps_no_key_in_its_chain() -> None:
    with pytest.raises(InvalidCredentials) as error:
        await who(BOTH, ANNA.text[:-1] + "g")
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    assert error.value.args == (WRONG,)
