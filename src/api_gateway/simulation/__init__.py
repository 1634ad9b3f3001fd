"""The laboratory: the same gateway, under virtual time.

Reading order: `virtual_time.py` (the event loop that never waits), `service_time.py`, `fault.py` and
`fake_service.py` (what the gateway talks to), `impatient_transport.py` (and for how long), `traffic.py`
(who talks to it), `experiment.py` (what became of it all).
"""

from api_gateway.simulation.experiment import Experiment, Outcome
from api_gateway.simulation.fake_service import FakeService
from api_gateway.simulation.fault import Fault
from api_gateway.simulation.impatient_transport import ImpatientTransport
from api_gateway.simulation.service_time import Bimodal, Constant, Exponential, LogNormal, ServiceTime, Stalling
from api_gateway.simulation.traffic import Ramp, Rate, Spike, Steady, Step, arrivals, closed_loop, open_loop
from api_gateway.simulation.virtual_time import SimulationDeadlock, VirtualClock, VirtualTimeLoop, run, spend

__all__ = [
    "Bimodal",
    "Constant",
    "Experiment",
    "Exponential",
    "FakeService",
    "Fault",
    "ImpatientTransport",
    "LogNormal",
    "Outcome",
    "Ramp",
    "Rate",
    "ServiceTime",
    "SimulationDeadlock",
    "Spike",
    "Stalling",
    "Steady",
    "Step",
    "VirtualClock",
    "VirtualTimeLoop",
    "arrivals",
    "closed_loop",
    "open_loop",
    "run",
    "spend",
]
