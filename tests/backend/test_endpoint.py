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
