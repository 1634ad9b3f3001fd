import math

import pytest

from api_gateway.plotting.load_balancing import theory


def test_one_choice_is_an_m_m_1() -> None:
    assert theory.one_choice(0.5).mean == 2
    assert theory.one_choice(0.9) == pytest.approx((10, 10 * math.log(100)))


@pytest.mark.parametrize("load", [0.3, 0.7, 0.95])
def test_turns_of_one_server_are_no_choice_and_of_two_have_a_closed_form(load: float) -> None:
    assert theory.taking_turns(load, 1) == pytest.approx(theory.one_choice(load))
    root = (1 + 4 * load - math.sqrt(1 + 8 * load)) / 2  # of E_2/M/1
    assert theory.taking_turns(load, 2).mean == pytest.approx(1 / (1 - root))


def test_turns_of_very_many_servers_come_as_evenly_as_a_clock() -> None:
    mean = theory.taking_turns(0.9, 100_000).mean
    root = 1 - 1 / mean
    assert root == pytest.approx(math.exp(-(1 - root) / 0.9), abs=1e-5)  # of D/M/1
    assert mean == pytest.approx(5.18, abs=0.01)


def test_the_least_of_one_is_no_choice_and_of_two_is_mitzenmachers_sum() -> None:
    assert theory.least_of(1, 0.5) == pytest.approx(theory.one_choice(0.5), rel=1e-6)
    assert theory.least_of(2, 0.9).mean == pytest.approx(sum(0.9 ** (2**k - 2) for k in range(1, 12)))


def test_a_single_queue_for_one_server_is_an_m_m_1() -> None:
    assert theory.single_queue(0.5, 1) == pytest.approx(theory.one_choice(0.5))
    assert theory.single_queue(0.8, 8).mean == pytest.approx(1.286, abs=0.001)


def test_a_single_queue_with_exactly_one_server_to_spare_is_no_division_by_zero() -> None:
    just_below, just_above = theory.single_queue(0.98999, 100), theory.single_queue(0.99001, 100)
    assert just_below.p99 < theory.single_queue(0.99, 100).p99 < just_above.p99


def test_one_ball_a_bin_is_poisson() -> None:
    shares = theory.bins_of_at_least(5, 1)
    assert shares[1] == pytest.approx(1 - math.exp(-1), rel=1e-5)
    assert shares[2] == pytest.approx(1 - 2 * math.exp(-1), rel=1e-5)


def test_two_draws_of_bins_follow_tanh() -> None:
    # x' = 1 - x^2 for the bins that are not empty.
    assert theory.bins_of_at_least(5, 2)[1] == pytest.approx(math.tanh(1), rel=1e-5)


def test_unlike_servers_of_one_speed_are_alike() -> None:
    mean, busy = theory.two_of_unlike([(0.5, 1.0), (0.5, 1.0)], 0.7)
    assert mean == pytest.approx(theory.least_of(2, 0.7).mean, rel=1e-5)
    assert busy == pytest.approx([0.7, 0.7], rel=1e-5)


def test_unlike_servers_finish_what_comes() -> None:
    kinds = [(0.8, 1.0), (0.2, 0.25)]
    _, busy = theory.two_of_unlike(kinds, 0.51)
    assert sum(share * speed * part for (share, speed), part in zip(kinds, busy, strict=True)) == pytest.approx(0.51)
