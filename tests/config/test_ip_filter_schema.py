"""The IP filter in the configuration: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from api_gateway.config.ip_filter_schema import IpFilterOptions
from api_gateway.config.problems import Refusal

NESTED: tuple[str, ...] = ()


def options(**keys: object) -> IpFilterOptions:
    return IpFilterOptions.model_validate(keys)


def test_lists_and_files_are_read() -> None:
    read = options(allow=["10.0.0.0/8", "::1"], deny=["10.6.6.0/24"], deny_file="blocked.txt")
    assert read.allow == ("10.0.0.0/8", "::1/128")
    assert read.deny == ("10.6.6.0/24",)
    assert (read.allow_file, read.deny_file) == (None, Path("blocked.txt"))


def test_it_survives_being_sent_to_another_process() -> None:
    one = options(allow=["10.0.0.0/8"], deny_file="blocked.txt")
    assert options(**json.loads(one.model_dump_json())) == one


def test_an_allow_list_may_be_all_in_its_file() -> None:
    assert options(allow=[], allow_file="allowed.txt").allow == ()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "an ip_filter without a list filters nothing"),
        ({"deny": []}, "an ip_filter without a list filters nothing"),
        ({"allow": []}, "an empty allow list lets nobody in"),
        ({"allow": ["10.6.6.6"], "deny": ["10.0.0.0/8"]}, "10.6.6.6/32 is allowed, and denied as a whole"),
        ({"allow": ["10.0.0.0/8"], "deny": ["10.128.0.0/9", "10.0.0.0/9"]}, "10.0.0.0/8 is allowed, and denied"),
        ({"allow": ["::ffff:10.0.0.1"], "deny": ["10.0.0.0/8"]}, "is allowed, and denied as a whole"),
        ({"deny": ["10.0.0.1/8"]}, "has bits set behind its prefix, perhaps 10.0.0.0/8 was meant"),
        ({"deny": ["example.com"]}, "'example.com' is not an IP network"),
        ({"denny": ["10.0.0.0/8"]}, "unknown key 'denny'; did you mean 'deny'?"),
        ({"deny_file": ""}, "expected text, found none"),
    ],
)
def test_a_mistake_is_refused_with_cause_and_remedy(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        options(**keys)
    (line,) = error.value.errors()
    assert all(step in keys or isinstance(step, int) or step in NESTED for step in line["loc"]), "a place in the file"
    refusal = line.get("ctx", {})["error"]
    assert isinstance(refusal, Refusal)
    assert said in str(refusal)
    assert refusal.remedy
