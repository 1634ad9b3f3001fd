"""Keys of a request as they are named in a configuration."""

from __future__ import annotations

import pytest

from api_gateway.config.problems import Refusal
from api_gateway.config.request_key import request_key

known = request_key("client_ip", "path")


@pytest.mark.parametrize("key", ["client_ip", "path", "header:X-Tenant"])
def test_a_known_name_or_a_header_is_a_key(key: str) -> None:
    assert known(key) == key


@pytest.mark.parametrize("key", ["client-ip", "identity", "X-Tenant", "header", "", 7])
def test_anything_else_is_refused(key: object) -> None:
    with pytest.raises(Refusal):
        known(key)


@pytest.mark.parametrize("key", ["header:", "header:no spaces", "header:Connection"])
def test_a_header_that_cannot_be_seen_is_refused(key: str) -> None:
    with pytest.raises(Refusal):
        known(key)


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(Refusal, match="unknown key 'client_Ip'") as refused:
        known("client_Ip")
    assert "client_ip" in refused.value.remedy
