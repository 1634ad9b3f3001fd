"""Metrics of several processes add up, and never go down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from api_gateway.server.metrics_sum import MetricsSum


def process(requests: float, in_flight: float = 0, durations: tuple[float, ...] = ()) -> str:
    registry = CollectorRegistry()
    Counter("requests", "Help.", ["route"], registry=registry).labels("/a").inc(requests)
    Gauge("in_flight", "Help.", registry=registry).set(in_flight)
    histogram = Histogram("seconds", "Help.", registry=registry, buckets=(1, 2))
    for duration in durations:
        histogram.observe(duration)
    return generate_latest(registry).decode()


def requests(total: MetricsSum) -> float | None:
    return total.registry.get_sample_value("requests_total", {"route": "/a"})


def test_counters_gauges_and_histograms_are_added() -> None:
    total = MetricsSum(2)
    total.update(0, 1, process(3, 1, (0.5, 1.5)))
    total.update(1, 1, process(4, 2, (1.5,)))
    assert requests(total) == 7
    assert total.registry.get_sample_value("in_flight") == 3
    assert total.registry.get_sample_value("seconds_bucket", {"le": "1.0"}) == 1
    assert total.registry.get_sample_value("seconds_bucket", {"le": "+Inf"}) == 3
    assert total.registry.get_sample_value("seconds_sum") == 3.5


def test_what_a_process_had_counted_outlives_it_but_its_gauges_do_not() -> None:
    total = MetricsSum(2)
    total.update(0, 1, process(3, 1))
    total.update(1, 1, process(4, 1))
    total.gone(0)
    assert (requests(total), total.registry.get_sample_value("in_flight")) == (7, 1)
    total.update(0, 2, process(1, 1))
    assert (requests(total), total.registry.get_sample_value("in_flight")) == (8, 2)


def test_the_sum_can_be_read_again_by_the_same_format() -> None:
    total = MetricsSum(1)
    total.update(0, 1, process(3, 1, (0.5,)))
    again = MetricsSum(1)
    again.update(0, 1, generate_latest(total.registry).decode())
    assert generate_latest(again.registry) == generate_latest(total.registry)


def test_a_successor_that_has_counted_more_does_not_hide_its_predecessor() -> None:
    total = MetricsSum(1)
    total.update(0, 1, process(3))
    total.update(0, 2, process(5))
    assert requests(total) == 8


def test_an_old_answer_that_comes_late_changes_nothing() -> None:
    total = MetricsSum(1)
    total.update(0, 1, process(9))
    total.update(0, 1, process(7))
    assert requests(total) == 9
    total.update(0, 2, process(1))
    total.update(0, 1, process(9))
    assert requests(total) == 10


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=30))
def test_the_sum_is_what_all_processes_have_counted(steps: list[tuple[int, int, bool]]) -> None:
    total = MetricsSum(3)
    counts, processes = [0, 0, 0], [1, 1, 1]
    expected = 0
    for place, more, restarts in steps:
        if restarts:
            processes[place] += 1
            counts[place] = 0
        counts[place] += more
        expected += more
        total.update(place, processes[place], process(counts[place]))
        assert requests(total) == expected
