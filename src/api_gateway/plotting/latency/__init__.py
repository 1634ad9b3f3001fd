"""Latency in pictures: what `notebooks/06_latency.ipynb` is made of.

Reading order: `laboratory.py` (one service behind a gateway), `theory.py`, `traced.py` and `waterfall.py`,
`fan_out.py`, `omission.py`, `tails.py`, `percentiles.py`, `utilisation.py`, `costs.py`.
"""

from api_gateway.plotting.latency.costs import layers_and_transports
from api_gateway.plotting.latency.fan_out import Page, lanes, pages, pages_with_a_slow_call, slowest_of_many
from api_gateway.plotting.latency.laboratory import milliseconds, outcomes_of, outcomes_of_users
from api_gateway.plotting.latency.omission import corrected, sent_and_waited
from api_gateway.plotting.latency.percentiles import averages_beside_truth, sample_sizes, together
from api_gateway.plotting.latency.tails import p99_over_time, survival_beside_theory
from api_gateway.plotting.latency.theory import (
    exponential,
    hedged,
    lognormal,
    meets_a_slow_one,
    mixture,
    percentile,
    quantile,
    slowest_of_exponentials,
    uniform,
    what_samples_say,
)
from api_gateway.plotting.latency.traced import STAGES, Trace, traced_request
from api_gateway.plotting.latency.utilisation import mean_time, time_against_load
from api_gateway.plotting.latency.waterfall import waterfall

__all__ = [
    "STAGES",
    "Page",
    "Trace",
    "averages_beside_truth",
    "corrected",
    "exponential",
    "hedged",
    "lanes",
    "layers_and_transports",
    "lognormal",
    "mean_time",
    "meets_a_slow_one",
    "milliseconds",
    "mixture",
    "outcomes_of",
    "outcomes_of_users",
    "p99_over_time",
    "pages",
    "pages_with_a_slow_call",
    "percentile",
    "quantile",
    "sample_sizes",
    "sent_and_waited",
    "slowest_of_exponentials",
    "slowest_of_many",
    "survival_beside_theory",
    "time_against_load",
    "together",
    "traced_request",
    "uniform",
    "waterfall",
    "what_samples_say",
]
