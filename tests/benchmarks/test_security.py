"""The benchmark of the checks: everything that it measures has passed its check."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_gateway import RequestContext
from api_gateway.core.middleware import chain
from benchmarks.machine import Machine
from benchmarks.security import Callers, Row, _service, rows, run


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    return rows(Callers(tmp_path_factory.mktemp("callers")), networks=100, fresh=3)


async def test_what_is_measured_passes(measured: dict[str, Row]) -> None:
    for name, row in measured.items():
        for request in row.requests:
            context = RequestContext(0, row.addresses[0], "https", "1.1")
            context.identity = row.identity
            response = await chain([row.layer], _service)(request, context)
            assert (response.status, await response.read()) == (200, b"{}"), name


async def test_callers_are_known_where_their_credentials_are_measured(measured: dict[str, Row]) -> None:
    for name, subject in (("api_key", "shop"), ("jwt, known", "user-42"), ("introspection, known", "user-42")):
        context = RequestContext()
        await chain([measured[name].layer], _service)(measured[name].requests[0], context)
        assert context.identity is not None
        assert context.identity.subject == subject


def test_fresh_tokens_are_all_different(tmp_path: Path) -> None:
    callers = Callers(tmp_path)
    assert len({callers.token(number) for number in range(5)}) == 5


def test_every_row_and_the_library_are_measured_and_three_bars_set(measured: dict[str, Row]) -> None:
    report = run(Machine(()), requests=64, rounds=1, proxy_rounds=0)
    costs = report.figures["microseconds_over_empty_layer"]
    assert isinstance(costs, dict)
    assert list(costs) == list(measured)
    assert [bar.name for bar in report.bars] == [
        "API key in a layer",
        "known JWT in a layer",
        "fresh ES256 / joserfc alone",
    ]
    assert report.bars[0].value == costs["api_key"]
    assert costs["jwt, fresh ES256"] > costs["jwt, known"]


def test_the_report_does_not_show_the_credentials() -> None:
    report = run(Machine(()), requests=32, rounds=1, proxy_rounds=0)
    assert "gw_" not in str(report)
    assert "eyJ" not in str(report)
