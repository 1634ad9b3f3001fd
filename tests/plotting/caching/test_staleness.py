import pytest

from api_gateway.plotting.caching.staleness import DOWN, LASTS, loads, mean_age, outage, share_past_its_end, under_load


def test_without_directives_an_outage_is_an_outage_once_the_page_is_stale() -> None:
    found = outage()
    ended = min(time for time in found.asked if time >= DOWN[0])
    assert ended - DOWN[0] < 1
    assert found.failed() == sum(ended <= got.sent < DOWN[1] for got in found.got)
    assert found.oldest() < LASTS
    assert found.waited() > 0


def test_while_revalidating_nobody_waits_and_an_outage_of_so_long_is_bridged() -> None:
    found = outage("stale-while-revalidate=10")
    failed = [got.sent for got in found.got if got.status != 200]
    assert min(failed) >= DOWN[0] + 10
    assert max(failed) < DOWN[1]
    assert 2 * found.waited() < outage().waited()


def test_if_error_everybody_is_answered_for_so_long_and_the_origin_is_asked_each_time() -> None:
    found = outage("stale-if-error=30")
    assert found.failed() == 0
    assert DOWN[1] - DOWN[0] < found.oldest() <= DOWN[1] - DOWN[0] + LASTS
    assert found.asked_while_down() > 300
    assert outage("stale-if-error=10").failed() > 0


def test_a_breaker_spares_the_origin_and_costs_no_answer() -> None:
    found = outage("stale-if-error=30", breaker=True)
    assert found.failed() == 0
    assert found.asked_while_down() < 50


def test_s_maxage_forbids_both() -> None:
    assert outage("s-maxage=5, stale-if-error=30, stale-while-revalidate=30").failed() > 300


def test_ages_are_averaged_over_what_was_sent_between() -> None:
    assert 0 < mean_age(outage(), 5, 20) < LASTS


@pytest.mark.parametrize("rate", [0.1, 2])
def test_the_share_past_its_end_is_what_theory_says_whether_it_waits_or_is_stale(rate: float) -> None:
    waiting, stale = (under_load(rate, lasts=10, while_revalidating=each, count=1000) for each in (False, True))
    assert waiting.waited == pytest.approx(share_past_its_end(rate, 10), abs=0.04)
    assert stale.stale == pytest.approx(share_past_its_end(rate, 10), abs=0.04)
    assert waiting.stale == 0
    assert stale.waited < 0.01
    assert waiting.asked == pytest.approx(stale.asked, rel=0.02)


def test_loads_are_measured_without_and_with() -> None:
    found = loads([1.0, 5.0], 10, count=50)
    assert [list(found[each]) for each in (False, True)] == [[1.0, 5.0], [1.0, 5.0]]
