"""A cache's rules at work: what is answered, kept and asked, with one URI and a clock that is a number."""

from __future__ import annotations

from random import Random

from api_gateway.caching.after_answer import after_answer
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest, cache_request
from api_gateway.caching.decision import decide
from api_gateway.caching.http_dates import http_date
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.verdicts import Decision, Forward, Merge, Outcome, Store, Validate
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request

NOW = 1_795_266_000.0
"""Sat, 21 Nov 2026 13:00:00 GMT"""

DEFAULT = CachePolicy(early_refresh=0)

Pairs = list[tuple[str, str]]


def date(offset: float = 0) -> str:
    """The date `offset` seconds from NOW."""
    return http_date(NOW + offset)


def asking(
    *headers: tuple[str, str],
    method: str = "GET",
    target: str = "/a",
    policy: CachePolicy = DEFAULT,
    identity: Identity | None = None,
    body: bytes = b"",
) -> CacheRequest:
    request = Request(method, target, [("host", "shop.example"), *headers], body)
    return cache_request(request, "http", identity, policy)


def deciding(
    asked: CacheRequest, *variants: StoredResponse, at: float = 0, policy: CachePolicy = DEFAULT, seed: int = 1
) -> Decision:
    return decide(asked, variants, NOW + at, policy, Random(seed))


def answering(
    asked: CacheRequest,
    *headers: tuple[str, str],
    status: int = 200,
    at: float = 0,
    took: float = 0,
    policy: CachePolicy = DEFAULT,
    to: Decision | None = None,
) -> Outcome:
    decision = deciding(asked, policy=policy) if to is None else to
    assert isinstance(decision, Validate | Forward)
    return after_answer(asked, decision, status, Headers(headers), NOW + at - took, NOW + at, policy)


def storing(
    *headers: tuple[str, str],
    status: int = 200,
    body: bytes = b"0123456789",
    asked: CacheRequest | None = None,
    at: float = 0,
    took: float = 0,
    policy: CachePolicy = DEFAULT,
) -> StoredResponse:
    """The answer as it is kept; it must be."""
    fields = headers if any(name == "date" for name, _ in headers) else (("date", date(at)), *headers)
    outcome = answering(asked or asking(policy=policy), *fields, status=status, at=at, took=took, policy=policy)
    assert isinstance(outcome, Store), outcome
    return outcome.complete(body)


def merging(outcome: Outcome) -> StoredResponse:
    assert isinstance(outcome, Merge), outcome
    return outcome.stored
