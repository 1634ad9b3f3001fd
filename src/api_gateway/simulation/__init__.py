"""The laboratory: the same gateway, under virtual time.

Reading order: `virtual_time.py` (the event loop that never waits).
"""

from api_gateway.simulation.virtual_time import SimulationDeadlock, VirtualClock, VirtualTimeLoop, run

__all__ = ["SimulationDeadlock", "VirtualClock", "VirtualTimeLoop", "run"]
