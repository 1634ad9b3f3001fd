"""Process logs: which of the program's logs goes to which stream.

Rule: the access log is the program's output and goes to standard output, its lines untouched;
everything else is about the program and goes to standard error. The libraries' loggers are heard
from WARNING on, so a server's banners are not.

Security events go to standard error too, their lines untouched: each begins with `{"time":`
(`core/security_events.py`), which no other log's line does.

What it does not do: write files, rotate them, or send them anywhere. Whoever runs the process
collects its streams.
"""

from __future__ import annotations

import logging
import sys


def log_to_standard_streams() -> None:
    """Set up the logging of a process that is a gateway and nothing else."""
    logging.raiseExceptions = False  # a reader that has gone must not add a traceback to each request
    errors = logging.StreamHandler(sys.stderr)
    errors.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[errors], force=True)
    logging.getLogger("api_gateway").setLevel(logging.INFO)
    security = logging.getLogger("api_gateway.security")
    security.handlers = [logging.StreamHandler(sys.stderr)]
    security.propagate = False
    access = logging.getLogger("api_gateway.access")
    access.handlers = [logging.StreamHandler(sys.stdout)]
    access.propagate = False
