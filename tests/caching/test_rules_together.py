"""The rules together, around a dictionary: what clients get is what the origin gave, to them, not too long ago.

A model-based test. The origin's answers carry what they depend on in their body; the cache may only ever serve a body
that the origin would have made for this caller, this URI and these request fields, and only while it was allowed to.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.caching.after_answer import after_answer, after_failure
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import cache_request
from api_gateway.caching.decision import decide
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.verdicts import Invalidate, Merge, Refetch, Serve, Store, Unsatisfiable
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from tests.support.caching import NOW, date

_VARY = ("foo", "accept-encoding")
_CALLERS = [None, Identity("ada", "jwt"), Identity("bob", "jwt"), Identity("ada", "jwt", scopes=frozenset({"x"}))]


class _Step(NamedTuple):
    method: str
    path: str
    caller: int
    foo: str
    wants: str
    wait: int
    says: str
    fails: bool
    conditional: bool


class _Origin:
    """Each URI has a version, which a POST changes. Its answers say what they depend on."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.valid_until: dict[tuple[str, int], float] = {}

    def answer(self, request: Request, caller: Identity | None, says: str, now: float) -> tuple[int, Headers, bytes]:
        version = self.versions.setdefault(request.path, 0)
        if request.method == "POST":
            self.versions[request.path] = version + 1
            return 204, Headers(), b""
        etag = f'"{request.path} {version} {request.header("foo")} {caller.key if caller else ""}"'
        headers = Headers({"date": date(now - NOW), "etag": etag, "vary": ", ".join(_VARY), "cache-control": says})
        body = repr((request.path, version, request.header("foo"), _told(caller))).encode()
        if etag in request.headers.get_all("if-none-match"):
            return 304, headers, b""
        return 200, headers, b"" if request.method == "HEAD" else body


def _told(caller: Identity | None) -> tuple[str, list[str]] | None:
    return (caller.key, sorted(caller.scopes)) if caller else None


_steps = st.builds(
    _Step,
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]),
    path=st.sampled_from(["/a", "/b"]),
    caller=st.integers(0, 3),
    foo=st.sampled_from(["1", "2"]),
    wants=st.sampled_from(["", "", "", "no-cache", "max-stale=5", "only-if-cached", "no-store", "max-age=3"]),
    wait=st.integers(0, 8),
    says=st.sampled_from(
        ["max-age=10", "no-cache", "no-store", "private", "max-age=10, public", "max-age=4, stale-if-error=9", ""]
    ),
    fails=st.booleans(),
    conditional=st.booleans(),
)


@settings(max_examples=150)
@given(st.lists(_steps, max_size=25), st.sampled_from(["bypass", "separate"]))
def test_a_client_gets_only_what_the_origin_made_for_it(steps: list[_Step], identified: str) -> None:
    policy = CachePolicy(identified="separate" if identified == "separate" else "bypass")
    origin, random, now = _Origin(), Random(1), NOW
    kept: dict[str, dict[object, StoredResponse]] = {}
    for step in steps:
        now += step.wait
        caller = _CALLERS[step.caller]
        fields = [("host", "h"), ("foo", step.foo)]
        fields += [("cache-control", step.wants)] if step.wants else []
        fields += [("if-none-match", '"mine"')] if step.conditional else []
        request = Request(step.method, step.path, fields)
        asked = cache_request(request, "http", caller, policy)
        decision = decide(asked, list(kept.get(asked.key, {}).values()), now, policy, random)
        if isinstance(decision, Unsatisfiable):
            assert step.wants == "only-if-cached"
            continue
        if isinstance(decision, Serve):
            served: Serve | None = decision
        elif step.fails:
            served = after_failure(asked, decision, 502, now, policy)
        else:
            served = None
            status, headers, body = origin.answer(decision.request, caller, step.says, now)
            outcome = after_answer(asked, decision, status, headers, now, now, policy)
            if isinstance(outcome, Refetch):
                status, headers, body = origin.answer(outcome.request, caller, step.says, now)
                assert status == 200
            elif isinstance(outcome, Store):
                whole = outcome.complete(body)
                kept.setdefault(asked.key, {})[whole.selecting] = whole
            elif isinstance(outcome, Merge):
                served = outcome.answer
                if outcome.lifetime:
                    kept.setdefault(asked.key, {})[outcome.stored.selecting] = outcome.stored
                else:
                    kept.pop(asked.key, None)
            elif isinstance(outcome, Invalidate):
                for key in outcome.keys:
                    kept.pop(key, None)
                for variants in kept.values():
                    for selecting in [s for s, stored in variants.items() if set(outcome.tags) & set(stored.tags)]:
                        del variants[selecting]
        said = [stored.headers.get("cache-control") for variants in kept.values() for stored in variants.values()]
        assert not {"no-store", "private"} & set(said)
        if served is not None:
            _check(step, served, caller, now, origin)


def _check(step: _Step, served: Serve, caller: Identity | None, now: float, origin: _Origin) -> None:
    version = origin.versions[step.path]
    # A POST invalidates, so no older version may be left anywhere.
    expected = repr((step.path, version, step.foo, _told(caller))).encode()
    assert served.stored.body == expected
    assert served.status == 200
    assert served.body == (b"" if step.method == "HEAD" else expected)
    said = served.stored.headers.get("cache-control") or ""
    age = int(served.headers.get("age") or -1)
    if "no-cache" in said or step.wants == "no-cache":
        assert age == 0
    assert 0 <= age <= {"max-stale=5": 15, "max-age=3": 13 if served.stale else 10}.get(step.wants, 13)
