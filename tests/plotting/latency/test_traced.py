"""A request taken apart, and its picture."""

from itertools import pairwise

import pytest
from matplotlib.colors import to_hex

from api_gateway.plotting.latency.traced import STAGES, Trace, traced_request
from api_gateway.plotting.latency.waterfall import waterfall
from api_gateway.plotting.style import ADMITTED, REFUSED
from api_gateway.simulation import Outcome


@pytest.fixture(scope="module")
def trace() -> Trace:
    return traced_request()


def test_own_times_add_up_to_what_the_client_waited_in_any_run(trace: Trace) -> None:
    for one in (trace, *[traced_request(at, seed=seed) for at in (1.0, 2.0) for seed in (1, 3)]):
        assert sum(one.seconds(stage) for stage in STAGES) == pytest.approx(one.outcome.duration)


def test_at_each_moment_one_stage_has_the_request(trace: Trace) -> None:
    pieces = sorted(piece for stage in STAGES for piece in trace.own(stage))
    assert pieces[0][0] == trace.outcome.sent
    assert all(before[1] == pytest.approx(after[0]) for before, after in pairwise(pieces))


def test_what_is_configured_is_what_is_seen(trace: Trace) -> None:
    assert trace.outcome.attempts == 2
    assert trace.outcome.status == 200
    assert trace.seconds("rate limit") == pytest.approx(1 / 20), "the second request at 20 a second"
    assert trace.seconds("network") == pytest.approx(4 * 0.004), "there and back, twice"
    assert [end - start for start, end in trace.own("service's work")] == pytest.approx([0.02, 0.045])
    assert 0 < trace.seconds("retry") <= 0.05, "full jitter below the base"


def test_a_request_that_meets_nobody_waits_for_the_rate_limit_and_the_network_alone() -> None:
    alone = traced_request(others=1e-6, seed=1)
    assert alone.seconds("service's queue") == 0
    assert len(alone.visits["service's work"]) == alone.outcome.attempts


def test_an_own_time_is_a_visit_without_the_visits_behind_it() -> None:
    visits = {"outer": [(0.0, 10.0)], "inner": [(1.0, 3.0), (4.0, 9.0)]}
    trace = Trace(Outcome(0.0, 10.0, 200, "-", "", 2), visits)
    assert trace.own("outer") == [(0, 1), (3, 4), (9, 10)]
    assert trace.own("inner") == visits["inner"]
    assert trace.seconds("outer") == 3


def test_the_waterfall_has_a_bar_for_each_piece_and_says_its_length(trace: Trace) -> None:
    figure, own = waterfall(trace, "Waterfall")
    axes = figure.axes[0]
    assert len(axes.patches) == sum(len(trace.own(stage)) for stage in STAGES) + 2, "and an area for each try"
    assert own == pytest.approx({stage: 1000 * trace.seconds(stage) for stage in STAGES})
    words = [text.get_text() for text in axes.texts]
    assert {"try 1", "try 2", "wasted", "the answer", "50 ms"} <= set(words)
    work = [to_hex(patch.get_facecolor()).lower() for patch in axes.patches][-2:]
    assert work == [REFUSED.lower(), ADMITTED.lower()]
