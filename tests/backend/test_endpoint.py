"""Endpoint: its counts."""

from __future__ import annotations

import pytest

from api_gateway.backend.endpoint import Endpoint


def test_counts_follow_requests() -> None:
    endpoint = Endpoint("http://a", weight=5)
    assert (endpoint.in_flight, endpoint.requests, endpoint.failures, endpoint.weight) == (0, 0, 0, 5)
    endpoint.acquire()
    endpoint.acquire()
    endpoint.release()
    assert (endpoint.in_flight, endpoint.requests) == (1, 2)
    assert repr(endpoint) == "<Endpoint http://a in_flight=1>"


@pytest.mark.parametrize("weight", [0, -1])
def test_a_weight_below_1_is_refused(weight: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Endpoint("http://a", weight)


def test_a_watcher_is_told_of_every_change_after_it_happened() -> None:
    endpoint = Endpoint("http://a")
    told: list[tuple[int, int]] = []

    def watcher(changed: Endpoint, change: int) -> None:
        told.append((changed.in_flight, change))

    endpoint.acquire()
    endpoint.watch(watcher)
    endpoint.acquire()
    endpoint.release()
    endpoint.unwatch(watcher)
    endpoint.release()
    assert told == [(2, 1), (1, -1)]


def test_two_watchers_do_not_know_of_each_other() -> None:
    endpoint = Endpoint("http://a")
    told: list[str] = []

    def one(changed: Endpoint, change: int) -> None:
        told.append("one")

    def other(changed: Endpoint, change: int) -> None:
        told.append("other")

    endpoint.watch(one)
    endpoint.watch(other)
    endpoint.acquire()
    endpoint.unwatch(one)
    endpoint.release()
    assert told == ["one", "other", "other"]
