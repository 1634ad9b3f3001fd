"""Mutated requests through the gateway with everything on: `tests/support/request_fuzz.py` says what must hold.

A million of them, which takes some minutes: `python -m tests.support.request_fuzz 1000000`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from api_gateway import Request, RequestContext, Response
from tests.support import request_fuzz
from tests.support.request_fuzz import Found, RequestMutator, everything, fuzz
from tests.support.security_rig import Recorder, build_rig


@pytest.fixture(scope="module")
def found() -> Found:
    """Of twenty thousand requests, sent once: that takes three seconds."""
    return asyncio.run(fuzz(20_000, seed=5))


def test_no_500_in_twenty_thousand_mutated_requests(found: Found) -> None:
    """A query of death, a check that can be confused into letting through, a refusal that says nothing."""
    assert found.defects == []
    assert found.requests == 20_000


def test_the_fuzz_gets_everywhere(found: Found) -> None:
    """Nothing: requests that all end at the first check would prove nothing of the others."""
    assert {200, 204, 400, 401, 403, 405, 413, 415, 417, 422, 503} <= found.statuses.keys()
    assert {"header-denied", "address-denied", "origin-denied", "forbidden", "caller-unknown"} <= found.codes.keys()
    assert found.codes[""] > 4_000, "many must get through, too"


async def test_the_fuzz_finds_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing: a net that holds no fish would look the same from outside."""

    async def breaks(self: Recorder, request: Request, context: RequestContext) -> Response:
        raise ZeroDivisionError("on some requests")

    monkeypatch.setattr(Recorder, "__call__", breaks)
    found = await fuzz(200, seed=5)
    assert any("500" in defect for defect in found.defects)
    assert any("ZeroDivisionError" in defect for defect in found.defects)


async def test_the_fuzz_finds_an_open_door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing: as above, for a gateway whose authentication lets everybody through."""
    config = everything(tmp_path)
    routes = config["routes"]
    assert isinstance(routes, list)
    open_door = {**config, "routes": [{**route, "middleware": []} for route in routes]}
    monkeypatch.setattr(request_fuzz, "build_rig", lambda _: build_rig(open_door))
    found = await fuzz(300, seed=5)
    assert any("unknown caller" in defect for defect in found.defects)


def test_the_same_seed_makes_the_same_requests() -> None:
    """Nothing: a defect that is found once must be found again."""
    one, two, other = (RequestMutator(Random(seed)) for seed in (3, 3, 4))
    drafts = [one.draft() for _ in range(50)]
    assert drafts == [two.draft() for _ in range(50)]
    assert drafts != [other.draft() for _ in range(50)]
