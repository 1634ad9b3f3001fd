"""The key file: what is read of it, what is said of mistakes, and what a change does to a running gateway."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api_gateway.auth.api_key import ApiKeyAuthenticator, NewKey, key_digest, new_key
from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.key_file import FIELDS, KeyRecords, format_moment, parse_keys, parse_moment, watched_keys
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.simulation import run

KEY = new_key()
HASH = "sha256:" + key_digest(KEY.text.encode()).hex()
SECRET = KEY.text.rpartition("_")[2]

ENTRY: Mapping[str, object] = {"id": "k1", "hash": HASH, "owner": "orders-team"}


def entry(key: NewKey, **more: object) -> dict[str, object]:
    return {"id": key.id, "hash": "sha256:" + key_digest(key.text.encode()).hex(), "owner": "orders-team", **more}


def parsed(*entries: object) -> KeyRecords:
    return parse_keys({"keys": list(entries)}, "keys.yaml")


def problems_of(document: object) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        parse_keys(document, "keys.yaml")
    lines = str(error.value).splitlines()
    assert all(line.startswith("keys.yaml: ") for line in lines)
    assert HASH not in str(error.value)
    assert SECRET not in str(error.value)
    return [line.removeprefix("keys.yaml: ") for line in lines]


def test_an_entry_needs_no_more_than_id_hash_and_owner() -> None:
    (record,) = parsed(ENTRY).values()
    identity = record.identity
    assert (record.id, record.digest, record.disabled) == ("k1", key_digest(KEY.text.encode()), False)
    assert (identity.subject, identity.consumer, identity.method) == ("orders-team", "orders-team", "api_key")
    assert (identity.scopes, identity.roles, identity.tier, identity.expires) == (frozenset(), frozenset(), "", None)


def test_all_fields_reach_the_identity() -> None:
    more = {"subject": "batch", "scopes": ["a:read", "b"], "roles": ["r"], "tier": "gold", "disabled": True}
    (record,) = parsed({**ENTRY, **more, "expires": "2027-01-01T02:00:00+02:00"}).values()
    identity = record.identity
    assert (identity.subject, identity.consumer, identity.tier) == ("batch", "orders-team", "gold")
    assert (identity.scopes, identity.roles) == (frozenset({"a:read", "b"}), frozenset({"r"}))
    assert identity.expires == 1_798_761_600.0
    assert record.disabled


def test_two_keys_of_one_owner_stand_beside_each_other() -> None:
    records = parsed(ENTRY, {**ENTRY, "id": "k2"})
    assert list(records) == ["k1", "k2"]
    assert records["k1"].identity.key == records["k2"].identity.key


@pytest.mark.parametrize("document", [{"keys": []}, {"keys": None}])
def test_a_file_without_keys_knows_nobody(document: object) -> None:
    assert parse_keys(document, "keys.yaml") == {}


HASH_REMEDY = "write sha256: and 64 digits from 0 to f, as 'api-gateway key new' prints them"
ID_REMEDY = "write the middle part of the key, in quotes"
NAME = "not a name of at most 512 characters, none of them a control character"
NAME_REMEDY = "write a text, in quotes if it looks like a number"
WORDS = "not a list of words; write [orders:read, orders:write], without spaces in a word"
MOMENT = "not a date and time with an offset; write one such as 2027-01-01T00:00:00Z"
FIELDS_REMEDY = f"the fields are: {', '.join(FIELDS)}"
TOP = "there is no key 'keys' at the top; write 'keys:' and a list of entries, or 'keys: []' for none"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": 7}, f"keys[0]: id: not an id; {ID_REMEDY}"),
        ({"id": KEY.text}, f"keys[0]: id: not an id; {ID_REMEDY}"),
        ({"id": ""}, f"keys[0]: id: not an id; {ID_REMEDY}"),
        ({"id": "a" * 33}, f"keys[0]: id: not an id; {ID_REMEDY}"),
        ({"hash": KEY.text}, f"keys[0] (id k1): hash: not a hash; {HASH_REMEDY}"),
        ({"hash": HASH.upper()}, f"keys[0] (id k1): hash: not a hash; {HASH_REMEDY}"),
        ({"hash": HASH + "\n"}, f"keys[0] (id k1): hash: not a hash; {HASH_REMEDY}"),
        ({"hash": HASH[:-1]}, f"keys[0] (id k1): hash: not a hash; {HASH_REMEDY}"),
        ({"hash": HASH.replace("256", "1")}, f"keys[0] (id k1): hash: not a hash; {HASH_REMEDY}"),
        ({"owner": ""}, f"keys[0] (id k1): owner: {NAME}; {NAME_REMEDY}"),
        ({"owner": "a\nX-Admin: 1"}, f"keys[0] (id k1): owner: {NAME}; {NAME_REMEDY}"),
        ({"owner": 7}, f"keys[0] (id k1): owner: {NAME}; {NAME_REMEDY}"),
        ({"subject": None}, f"keys[0] (id k1): subject: {NAME}; {NAME_REMEDY}"),
        ({"tier": ["gold"]}, f"keys[0] (id k1): tier: {NAME}; {NAME_REMEDY}"),
        ({"scopes": "a"}, f"keys[0] (id k1): scopes: {WORDS}"),
        ({"scopes": ["a b"]}, f"keys[0] (id k1): scopes: {WORDS}"),
        ({"roles": ["a", 7]}, f"keys[0] (id k1): roles: {WORDS}"),
        ({"roles": [""]}, f"keys[0] (id k1): roles: {WORDS}"),
        ({"expires": "2027-01-01"}, f"keys[0] (id k1): expires: {MOMENT}"),
        ({"expires": "2027-01-01T00:00:00"}, f"keys[0] (id k1): expires: {MOMENT}"),
        ({"expires": "2027-02-30T00:00:00Z"}, f"keys[0] (id k1): expires: {MOMENT}"),
        ({"expires": 1798761600}, f"keys[0] (id k1): expires: {MOMENT}"),
        ({"expires": None}, f"keys[0] (id k1): expires: {MOMENT}"),
        ({"disabled": "true"}, "keys[0] (id k1): disabled: neither true nor false; write true or false"),
        ({"disabled": 1}, "keys[0] (id k1): disabled: neither true nor false; write true or false"),
        ({"scope": ["a"]}, f"keys[0] (id k1): unknown field 'scope'; {FIELDS_REMEDY}"),
        ({KEY.text: 1}, f"keys[0] (id k1): unknown field; {FIELDS_REMEDY}"),
        ({7: 1}, f"keys[0] (id k1): unknown field; {FIELDS_REMEDY}"),
    ],
)
def test_a_mistake_is_told_by_entry_and_field_with_a_remedy_and_without_the_value(
    change: dict[object, object], said: str
) -> None:
    assert problems_of({"keys": [{**ENTRY, **change}]}) == [said]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, TOP),
        ([], TOP),
        ("keys", TOP),
        ({}, TOP),
        ({"key": []}, TOP),
        ({"keys": {}}, "keys: expected a list; begin each entry with '- id:'"),
        ({"keys": "k1"}, "keys: expected a list; begin each entry with '- id:'"),
        ({"keys": [], KEY.text: 1}, "there is more than 'keys' at the top; remove the rest"),
        ({"keys": [KEY.text]}, "keys[0]: expected a mapping; write id, hash and owner"),
        ({"keys": [None]}, "keys[0]: expected a mapping; write id, hash and owner"),
    ],
)
def test_a_document_of_another_form_is_told_what_it_should_be(document: object, said: str) -> None:
    assert problems_of(document) == [said]


def test_all_mistakes_are_told_at_once() -> None:
    entries = [{"id": "k1"}, {**ENTRY, "id": "k2", "tier": 1, "roles": 2}, ENTRY, "x"]
    assert problems_of({"keys": entries}) == [
        f"keys[0] (id k1): hash: it is missing; {HASH_REMEDY}",
        f"keys[0] (id k1): owner: it is missing; {NAME_REMEDY}",
        f"keys[1] (id k2): roles: {WORDS}",
        f"keys[1] (id k2): tier: {NAME}; {NAME_REMEDY}",
        "keys[2] (id k1): id: keys[0] has the same; make a new key, or remove one of the entries",
        "keys[3]: expected a mapping; write id, hash and owner",
    ]


# Any value, and values that are nearly right: a document of the first kind seldom gets past the first check.
Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just(HASH),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
Names = st.text(st.characters(), max_size=5) | Values
Entries = st.fixed_dictionaries(
    {"id": st.sampled_from(["k1", "k2", "_", ""]) | Names, "hash": st.just(HASH) | Values, "owner": Names},
    optional={
        "subject": Names,
        "scopes": st.lists(Names, max_size=2) | Values,
        "roles": st.lists(Names, max_size=2) | Values,
        "tier": Names,
        "expires": st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[+-]99:99)")
        | Names,
        "disabled": st.booleans() | Values,
        "other": Values,
    },
)
Documents = Values | st.fixed_dictionaries({"keys": st.lists(Entries | Values, max_size=3) | Values})


@given(Documents)
@example({"keys": [{**ENTRY, "expires": "9999-12-31T23:59:59-23:59"}]})
@example({"keys": [{**ENTRY, "expires": "0001-01-01T00:00:00+23:59"}]})
@example({"keys": [{**ENTRY, "owner": "\ud800"}]})
def test_any_document_is_read_or_refused_in_words(document: object) -> None:
    records, said = outcome_of(document)
    assert HASH.removeprefix("sha256:") not in said
    assert all(line.startswith("keys.yaml: ") for line in said.split("\n") if said)
    said.encode()
    for identifier, record in records.items():
        assert record.id == identifier
        assert len(record.digest) == 32


def outcome_of(document: object) -> tuple[KeyRecords, str]:
    try:
        return parse_keys(document, "keys.yaml"), ""
    except ConfigurationError as error:
        return {}, str(error)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01t00:00:00z", 0.0),
        ("1970-01-01 01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:01.25Z", 1.25),
        ("1969-12-31T23:00:00-00:30", -1800.0),
        ("2000-02-29T00:00:00.123456789Z", 951_782_400.123456),
    ],
)
def test_a_moment_is_the_same_whatever_its_offset(text: str, seconds: float) -> None:
    assert parse_moment(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2027-01-01T00:00Z",
        "20270101T000000Z",
        "2027-W01-1T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "2027-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "2027-01-01T00:00:00+24:00",
        "2027-01-01T00:00:00Z\n",
        "٢٠٢٧-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_moment_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_moment(text)


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_every_second_of_the_calendar_can_be_written_and_read(seconds: int) -> None:
    text = format_moment(seconds)
    assert re.fullmatch(r"[0-9]{4}-..-..T..:..:..Z", text)
    assert parse_moment(text) == seconds


# Running.


def load(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise ConfigurationError(f"{path}: not readable; correct the syntax") from None


def write(path: Path, *entries: object) -> None:
    path.write_text(json.dumps({"keys": entries}))


async def known(authenticator: ApiKeyAuthenticator, key: NewKey) -> bool:
    try:
        request = Request("GET", "/", {"x-api-key": key.text})
        return await authenticator.authenticate(request, RequestContext()) is not None
    except InvalidCredentials:
        return False


def test_keys_come_go_and_rest_while_the_gateway_runs(tmp_path: Path) -> None:
    path, one, two = tmp_path / "keys.json", new_key(), new_key()
    write(path, entry(one))

    async def main() -> None:
        keys = watched_keys(path, load)
        authenticator = ApiKeyAuthenticator(keys, ManualClock())
        await keys.start()
        assert (await known(authenticator, one), await known(authenticator, two)) == (True, False)

        write(path, entry(one), entry(two))
        await asyncio.sleep(2.1)
        assert (await known(authenticator, one), await known(authenticator, two)) == (True, True)

        write(path, entry(two))
        await asyncio.sleep(2.1)
        assert (await known(authenticator, one), await known(authenticator, two)) == (False, True), "one is revoked"

        write(path, entry(two, disabled=True))
        await asyncio.sleep(2.1)
        assert not await known(authenticator, two)

        write(path)
        await asyncio.sleep(2.1)
        assert keys.value == {}
        await keys.close()

    run(main)


def test_a_file_that_another_replaces_is_read_again(tmp_path: Path) -> None:
    path, one, two = tmp_path / "keys.json", new_key(), new_key()
    write(path, entry(one))
    keys = watched_keys(path, load)
    spare = tmp_path / "spare"
    write(spare, entry(two))
    spare.replace(path)
    keys.look()
    assert list(keys.value) == [two.id]


@pytest.mark.parametrize("broken", ["{", '{"keys": [{"id": "a"}]}', "", '{"keys": [7]}'])
def test_a_broken_file_changes_nothing_and_shows_nothing(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, one, two = tmp_path / "keys.json", new_key(), new_key()
    write(path, entry(one))

    async def main() -> None:
        keys = watched_keys(path, load)
        authenticator = ApiKeyAuthenticator(keys, ManualClock())
        await keys.start()
        path.write_text(broken)
        await asyncio.sleep(10)
        assert (await known(authenticator, one), keys.failures) == (True, 1)
        write(path, entry(two))
        await asyncio.sleep(2.1)
        assert (await known(authenticator, one), await known(authenticator, two)) == (False, True)
        await keys.close()

    with caplog.at_level(logging.DEBUG):
        run(main)
    assert [line.levelname for line in caplog.records if line.name == "api_gateway.files"] == ["ERROR", "INFO"]
    for key in (one, two):
        assert key.text.rpartition("_")[2] not in caplog.text
        assert key_digest(key.text.encode()).hex() not in caplog.text


def test_a_hash_in_the_wrong_line_reaches_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys.json"
    write(path, entry(KEY))
    keys = watched_keys(path, load)
    write(path, {"id": KEY.text, "hash": KEY.text, "owner": [HASH], "tier": {HASH: 1}, HASH: HASH, "expires": HASH})
    with caplog.at_level(logging.DEBUG):
        keys.look()
    assert keys.failures == 1
    assert SECRET not in caplog.text
    assert HASH.removeprefix("sha256:") not in caplog.text


def test_without_a_file_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*keys.json: No such file"):
        watched_keys(tmp_path / "keys.json", load)
