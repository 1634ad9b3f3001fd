import pytest

from api_gateway.plotting.fleet.distant_store import Network
from api_gateway.plotting.fleet.fleet import answers, shared, spread
from api_gateway.plotting.fleet.outage import outage_timeline
from api_gateway.plotting.rate_limiters.traffic import steady
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.simulation import run
from tests.support.figures import stairs

LIMIT = Limit("l", "gcra", 20, 1.0, 4)
NETWORK = Network(delay=0.001, cut_from=1, cut_until=3, timeout=0.5)
REQUESTS = spread(steady(40, 0, 4), (1, 1))
GIVEN = {
    "admit": run(answers, shared(NETWORK, "admit"), LIMIT, 2, REQUESTS),
    "refuse": run(answers, shared(NETWORK, "refuse"), LIMIT, 2, REQUESTS),
}


def test_the_numbers_are_of_the_outage_from_when_it_is_known() -> None:
    _, rates = outage_timeline(GIVEN, NETWORK, LIMIT, "An outage")
    assert rates["admit"].admitted == rates["refuse"].refused == pytest.approx(40, abs=1)
    assert rates["admit"].refused == rates["refuse"].admitted == 0


def test_nothing_is_answered_before_the_timeout_and_then_all_of_it() -> None:
    figure, _ = outage_timeline(GIVEN, NETWORK, LIMIT, "An outage")
    refused, admitted = stairs(figure.axes[0])
    assert len(refused) == len(admitted) == 15  # slices of 0.25 s, whole ones, until the last request
    assert admitted[4] < 10  # those that were under way
    assert admitted[5] == refused[4] == refused[5] == 0
    assert admitted[6] > 100
    assert admitted[7:11] == [40, 40, 40, 40]
    assert stairs(figure.axes[1])[0][7:11] == [40, 40, 40, 40]


def test_the_highest_line_is_named() -> None:
    figure, _ = outage_timeline(GIVEN, NETWORK, LIMIT, "An outage")
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["admitted", "refused"]
