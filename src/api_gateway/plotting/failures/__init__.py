"""Figures about failures: what breaks, what clients feel of it, and what the gateway does against it.

Reading order: `laboratory.py` (streams of requests to one gateway), `timelines.py` (what clients get, before and
after), then a file for each scenario: `cascade.py`, `overload.py`, `returning.py`, `login.py`, `rollout.py`,
`certificate.py`, `stampede.py`, `availability.py`.
"""

from api_gateway.plotting.failures.availability import Life, fleet, lost_by_gateways, minutes_a_year, nines, simulated
from api_gateway.plotting.failures.cascade import Shop, cascade, erlang_b
from api_gateway.plotting.failures.certificate import Job, around_expiry, date_and_errors, days_left
from api_gateway.plotting.failures.laboratory import Trial
from api_gateway.plotting.failures.login import POLICIES, Outage, outage
from api_gateway.plotting.failures.overload import (
    CAPACITY,
    READS,
    SERVES,
    WAYS,
    busy_gateway,
    goodput,
    goodput_by_offer,
)
from api_gateway.plotting.failures.returning import Death, noticed, returning
from api_gateway.plotting.failures.rollout import Fleet, Stage, check, expected_errors, rollout
from api_gateway.plotting.failures.stampede import recomputations, stampede, two_stampedes
from api_gateway.plotting.failures.timelines import Panel, what_clients_get

__all__ = [
    "CAPACITY",
    "POLICIES",
    "READS",
    "SERVES",
    "WAYS",
    "Death",
    "Fleet",
    "Job",
    "Life",
    "Outage",
    "Panel",
    "Shop",
    "Stage",
    "Trial",
    "around_expiry",
    "busy_gateway",
    "cascade",
    "check",
    "date_and_errors",
    "days_left",
    "erlang_b",
    "expected_errors",
    "fleet",
    "goodput",
    "goodput_by_offer",
    "lost_by_gateways",
    "minutes_a_year",
    "nines",
    "noticed",
    "outage",
    "recomputations",
    "returning",
    "rollout",
    "simulated",
    "stampede",
    "two_stampedes",
    "what_clients_get",
]
