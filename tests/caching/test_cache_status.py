"""Cache-Status: entries in the words of RFC 9211."""

from __future__ import annotations

from api_gateway.caching.cache_status import forwarded, hit, labelled
from api_gateway.caching.serving import serve
from tests.support.caching import DEFAULT, NOW, asking, storing


def test_a_hit() -> None:
    assert hit("gw", -3) == b"gw; hit; ttl=-3"


def test_a_miss() -> None:
    assert forwarded("gw", "uri-miss") == b"gw; fwd=uri-miss"
    entry = forwarded("gw", "stale", status=304, ttl=60, stored=True, collapsed=True, detail="x")
    assert entry == b"gw; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail=x"


def test_a_label_replaces_ours_and_leaves_those_of_others() -> None:
    stored = storing(("cache-control", "max-age=60"), ("cache-status", "origin; hit"))
    answer = labelled(serve(asking(), stored, NOW, DEFAULT), forwarded("gw", "uri-miss", collapsed=True))
    assert answer.headers.get_all("cache-status") == ["origin; hit", "gw; fwd=uri-miss; collapsed"]
