"""Cache checks: nothing that guards an answer may stand behind the cache that hands it out."""

from __future__ import annotations

import pytest

from tests.support.config_files import problems_of

KEYS = "{auth: {api_key: {keys_file: keys.yaml}}}"


def document(for_all: str, route: str) -> str:
    return f"""services: {{users: {{endpoints: [http://127.0.0.1:9001]}}}}
middleware: [{for_all}]
routes: [{{path: /*, service: users, middleware: [{route}]}}]
"""


@pytest.mark.parametrize("guard", [KEYS, "{ip_filter: {deny: [10.0.0.0/8]}}", "{header_filter: {deny: [x-a]}}"])
def test_a_guard_behind_the_cache_is_refused(guard: str) -> None:
    for text in (document(f"cache, {guard}", ""), document("", f"cache, {guard}"), document("cache", guard)):
        (problem,) = problems_of(text)
        assert "cache" in problem
        assert "so whoever asks" in problem or "answers before" in problem


def test_before_the_cache_it_is_right() -> None:
    for text in (document(f"{KEYS}, cache", ""), document(KEYS, "authorize, cache"), document("", f"{KEYS}, cache")):
        assert problems_of(text) == []


def test_what_guards_nobody_may_stand_behind() -> None:
    assert problems_of(document("cache", "{rate_limit: {rate: 1/s}}, {deadline: 3s}")) == []
