"""Load balancing in pictures: what `notebooks/03_load_balancing.ipynb` is made of.

Reading order: `laboratory.py` (the experiment), `theory.py`, `beside_theory.py`, `strips.py`, `percentiles.py`,
`choices.py`, `many_gateways.py`, `turns.py`, `hashing.py`, `hot_key.py`, `costs.py`.
"""

from api_gateway.plotting.load_balancing.beside_theory import beside_theory
from api_gateway.plotting.load_balancing.choices import LeastOf, balls_in_bins, power_of_choices, queues
from api_gateway.plotting.load_balancing.costs import cost_of_a_choice, nanoseconds_of_a_choice
from api_gateway.plotting.load_balancing.hashing import (
    endpoints,
    keys_that_move,
    moved,
    owners_by_remainder,
    owners_on_the_ring,
    ring_shares,
    ring_spread,
)
from api_gateway.plotting.load_balancing.hot_key import busiest_over_time
from api_gateway.plotting.load_balancing.laboratory import POLICIES, Server, Trial, any_of, one_hot_of, trial
from api_gateway.plotting.load_balancing.many_gateways import knowledge_shared
from api_gateway.plotting.load_balancing.percentiles import latency_percentiles
from api_gateway.plotting.load_balancing.strips import load_strips
from api_gateway.plotting.load_balancing.theory import (
    Expected,
    bins_of_at_least,
    least_of,
    one_choice,
    queue_of_at_least,
    single_queue,
    taking_turns,
)
from api_gateway.plotting.load_balancing.turns import longest_run, naive_turns, turns_in_rows, turns_of

__all__ = [
    "POLICIES",
    "Expected",
    "LeastOf",
    "Server",
    "Trial",
    "any_of",
    "balls_in_bins",
    "beside_theory",
    "bins_of_at_least",
    "busiest_over_time",
    "cost_of_a_choice",
    "endpoints",
    "keys_that_move",
    "knowledge_shared",
    "latency_percentiles",
    "least_of",
    "load_strips",
    "longest_run",
    "moved",
    "naive_turns",
    "nanoseconds_of_a_choice",
    "one_choice",
    "one_hot_of",
    "owners_by_remainder",
    "owners_on_the_ring",
    "power_of_choices",
    "queue_of_at_least",
    "queues",
    "ring_shares",
    "ring_spread",
    "single_queue",
    "taking_turns",
    "trial",
    "turns_in_rows",
    "turns_of",
]
