from api_gateway.plotting.fleet.lease_size import lease_sizes
from api_gateway.plotting.fleet.report import FleetReport
from tests.support.figures import xs, ys


def report(waited: int, wrong: int) -> FleetReport:
    return FleetReport(asked=200, admitted=0, too_many=0, wrongly_refused=wrong, waited=waited, slowest=0)


def test_the_best_size_is_that_at_which_the_fewest_wait() -> None:
    figure, best = lease_sizes({1: report(200, 0), 4: report(50, 1), 9: report(80, 6)}, "Leases")
    assert best == 4
    left, right = (axes.lines[0] for axes in figure.axes)
    assert xs(left) == xs(right) == [1, 4, 9]
    assert ys(left) == [100, 25, 40]
    assert ys(right) == [0, 0.5, 3]
