from api_gateway.plotting.rate_limiters.in_flight import in_flight_over_time, serve
from api_gateway.plotting.rate_limiters.traffic import steady
from api_gateway.rate_limiting import GCRA, Concurrency
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS
from tests.support.figures import ys

SECOND = NANOSECONDS


def test_littles_law_holds_behind_a_rate_limit() -> None:
    service = serve(GCRA(10, 1, 1), steady(100, 0, 10), lambda _second: 0.5)
    assert service.rate(1, 9) == 10
    assert service.in_flight(5 * SECOND + 1) == 10 * 0.5
    assert service.most_in_flight == 5


def test_a_place_comes_free_when_the_request_is_finished() -> None:
    limiter = Concurrency(2)
    service = serve(limiter, [0, 0, 0, SECOND - 1, SECOND, SECOND], lambda _second: 1.0)
    assert service.admitted == (0, 0, SECOND, SECOND)
    assert service.finished == (SECOND, SECOND, 2 * SECOND, 2 * SECOND)
    assert service.most_in_flight == 2


def test_the_time_of_service_is_that_of_the_arrival() -> None:
    service = serve(GCRA(1, 1, 1), [0, SECOND], lambda second: 3.0 if second < 1 else 0.5)
    assert service.finished == (round(1.5 * SECOND), 3 * SECOND)


def test_the_figure_gives_the_most_of_each() -> None:
    services = {"one": serve(Concurrency(3), steady(50, 0, 2), lambda _second: 1.0)}
    figure, most = in_flight_over_time(services, (0.5, 1), "In flight")
    assert most == {"one": 3}
    (line,) = figure.axes[0].lines
    assert max(ys(line)) == 3


def test_a_service_that_got_nothing_was_never_busy() -> None:
    assert serve(Concurrency(1), [], lambda _second: 1.0).most_in_flight == 0
