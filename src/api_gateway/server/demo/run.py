"""Run: the demo from its first line to its last.

    start the services -> learn ports and keys -> gateway before them -> welcome -> ready -> ... -> end

Rule: the services start in their own process while this one imports the gateway, because each
takes about half a second. The gateway itself is the one that `api-gateway serve` runs, signals,
drain and error lines included; the demo adds a configuration and a text.

What it does not do: anything a configuration file could not (`examples/demo.yaml`).
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from api_gateway.server.demo.configuration import demo_configuration
from api_gateway.server.demo.services_process import ServicesProcess


def run_demo(host: str, port: int, admin_port: int) -> int:
    """Run until a signal asks to stop; the process's exit code. Port 0 is any free one.

    The admin pages listen on the loopback address only, whatever `host` is.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        with ServicesProcess() as services:
            return _run(host, port, admin_port, services)
    except ChildProcessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # a second one, when the gateway has given the signals back
        return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    """What a signal does until the gateway handles it: end this process; the services follow by themselves.

    Raising would end up inside whatever is being imported, which need not pass it on unharmed.
    """
    os._exit(0)


def _run(host: str, port: int, admin_port: int, services: ServicesProcess) -> int:
    # Imported here, while the services start: pydantic and the schema take their time.
    from api_gateway.config.schema import GatewayConfig
    from api_gateway.server.demo.welcome import welcome
    from api_gateway.server.runner import run

    started = services.started()
    ports = started.ports
    config = GatewayConfig.model_validate(demo_configuration(host, port, admin_port, ports, started.keys_file))

    def greet(gateway: str, admin: str) -> None:
        print(welcome(gateway, admin, ports, started.key, started.tokens, colour=_wants_colour()), flush=True)

    return run(config, before_ready=greet)


def _wants_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
