from random import Random

import pytest

from api_gateway.backend.power_of_two_choices_load_balancer import PowerOfTwoChoicesLoadBalancer
from api_gateway.backend.random_load_balancer import RandomLoadBalancer
from api_gateway.plotting.load_balancing.choices import LeastOf, balls_in_bins, power_of_choices, queues
from api_gateway.plotting.load_balancing.laboratory import POLICIES, Server, Trial, trial
from api_gateway.plotting.load_balancing.theory import queue_of_at_least
from api_gateway.plotting.style import CONTEXT
from tests.support.figures import xs, ys

COUNT = 20_000


def test_every_ball_is_in_a_bin() -> None:
    counts = balls_in_bins(RandomLoadBalancer(Random(1)), COUNT)
    assert counts[0] == COUNT
    assert sum(counts[1:]) == COUNT
    assert counts[-1] > 0


def test_the_least_of_one_and_of_two_fill_bins_as_the_gateways_policies_do() -> None:
    for draws, policy in ((1, RandomLoadBalancer(Random(1))), (2, PowerOfTwoChoicesLoadBalancer(Random(1)))):
        ours, theirs = balls_in_bins(LeastOf(draws, Random(2)), COUNT), balls_in_bins(policy, COUNT)
        assert ours[:3] == pytest.approx(theirs[:3], rel=0.04)


def test_queues_are_shares_of_all_samples_after_the_warm_up() -> None:
    found = Trial([], [[9, 0, 2], [9, 1, 1]], 0.5, [])
    assert queues(found, 0.5) == [1.0, 0.75, 0.25]


def test_queues_behind_two_choices_fall_as_theory_says() -> None:
    # Few requests, so the tolerance is wide; the next step would be 0.7^15 = 0.005.
    found = queues(trial(POLICIES["power_of_two_choices"], [Server()] * 50, 35, 300, seed=2), 30)
    for length, tolerance in ((1, 0.03), (2, 0.06), (3, 0.2)):
        assert found[length] == pytest.approx(queue_of_at_least(length, 2, 0.7), rel=tolerance)


def test_dots_are_what_was_counted_and_lines_are_theory() -> None:
    bins = {draws: balls_in_bins(LeastOf(draws, Random(1)), COUNT) for draws in (1, 2)}
    shares = {1: [1.0, 0.5, 0.25], 2: [1.0, 0.5, 0.1]}
    figure, fullest = power_of_choices(bins, shares, 0.5, "Choices")
    assert fullest == {draws: len(counts) - 1 for draws, counts in bins.items()}
    left, right = figure.axes
    dots = [line for line in left.lines if line.get_marker() != "None"]
    assert [ys(line) for line in dots] == [[float(count) for count in counts] for counts in bins.values()]
    lines = [line for line in right.lines if line.get_color() == CONTEXT]
    assert ys(lines[0])[:3] == [1.0, 0.5, 0.25]
    assert ys(lines[1])[:3] == [1.0, 0.5, 0.125]
    assert xs(lines[0])[:3] == [0, 1, 2]
    assert [text.get_text() for text in left.texts] == ["one draw", "two"]
