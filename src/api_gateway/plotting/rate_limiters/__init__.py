"""Rate limiters in pictures: what `notebooks/01_rate_limiters.ipynb` is made of.

Reading order: `traffic.py` and `replay.py` (the experiment), `raster.py`, `cumulative.py`, `adversary.py` and
`worst_window.py`, `judgement.py` and `mistakes.py`, `costs.py`, `in_flight.py`.
"""

from api_gateway.plotting.rate_limiters.adversary import Adversary
from api_gateway.plotting.rate_limiters.costs import Cost, costs_beside_peers
from api_gateway.plotting.rate_limiters.cumulative import cumulative_admissions, excess
from api_gateway.plotting.rate_limiters.in_flight import in_flight_over_time, serve
from api_gateway.plotting.rate_limiters.judgement import judge
from api_gateway.plotting.rate_limiters.mistakes import judgements, mistakes_against_load
from api_gateway.plotting.rate_limiters.raster import admission_raster
from api_gateway.plotting.rate_limiters.replay import in_step, most_within, numbers_kept, replay
from api_gateway.plotting.rate_limiters.traffic import burst, merged, poisson, steady
from api_gateway.plotting.rate_limiters.worst_window import worst_window_curves

__all__ = [
    "Adversary",
    "Cost",
    "admission_raster",
    "burst",
    "costs_beside_peers",
    "cumulative_admissions",
    "excess",
    "in_flight_over_time",
    "in_step",
    "judge",
    "judgements",
    "merged",
    "mistakes_against_load",
    "most_within",
    "numbers_kept",
    "poisson",
    "replay",
    "serve",
    "steady",
    "worst_window_curves",
]
