"""Contenders: everything that is measured over sockets, and how to start it.

    origin   <- direct, nginx, gateway, aiohttp, httpx2
    (none)   <- uvicorn, which answers by itself

Rule: each is a real process on the core under test; the origin runs beside the load generator.
What cannot be started here is left out with the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Machine, tool
from benchmarks.processes import Process, Processes, StartFailedError, free_port
from benchmarks.proxies import nginx

PATH = "/api/users/42"

_CONFIGURATION = """\
listen: {{host: 127.0.0.1, port: {port}}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
services:
  users:
    endpoints: [{upstream}]
    transport: {transport}
middleware:           # counters are always on; the access log is off because it is not listed
  - request_id
  - deadline: 3s
routes:
  - {{path: /api/users/*, service: users, strip_prefix: true}}
  - {{path: "/api/orders/{{id}}", service: users, methods: [GET]}}
  - {{path: /api/payments/*, service: users}}
  - {{path: /api/products/*, service: users}}
  - {{path: /api/shipping/*, service: users}}
  - {{path: /api/reviews/*, service: users}}
  - {{path: /api/*, service: users}}
"""

Command = Callable[[Path, int, str], list[str]]
"""From a folder for files, a port to listen on and the origin's URL."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Something under load."""

    name: str
    port: int
    process: Process

    @property
    def url(self) -> str:
        """What is asked."""
        return f"http://127.0.0.1:{self.port}{PATH}"


def gateway_command(folder: Path, port: int, upstream: str, transport: str = "http1") -> list[str]:
    """This package as users run it."""
    configuration = folder / f"gateway-{port}.yaml"
    configuration.write_text(
        _CONFIGURATION.format(port=port, admin_port=free_port(), upstream=upstream, transport=transport)
    )
    return [sys.executable, "-m", "api_gateway", "serve", str(configuration)]


def _nginx_command(folder: Path, port: int, upstream: str) -> list[str]:
    program = tool("nginx")
    if program is None:
        raise StartFailedError("nginx is not installed (apt-get install nginx-light, or brew install nginx)")
    return nginx.command(program, folder, port, upstream)


def _python_proxy(module: str) -> Command:
    return lambda _folder, port, upstream: [
        sys.executable, "-m", "benchmarks.proxies", module, str(port), upstream
    ]  # fmt: skip


COMMANDS: Mapping[str, Command] = {
    "gateway": gateway_command,
    "nginx": _nginx_command,
    "uvicorn": _python_proxy("ceiling"),
    "aiohttp": _python_proxy("aiohttp_proxy"),
    "httpx2": _python_proxy("httpx_proxy"),
}
"""The contenders that run on the core under test."""

NAMES = (*COMMANDS, "direct")


def start_origin(processes: Processes, machine: Machine) -> Contender:
    """Start the origin, beside the load generator."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.origin", str(port)]
    process = processes.start("origin", command, machine.load_core)
    process.wait_until_it_answers(port, PATH)
    return Contender("direct", port, process)


def start(name: str, processes: Processes, machine: Machine, upstream: str) -> Contender:
    """Start one contender and wait until it answers.

    Raises:
        StartFailedError: it is not installed or does not come up.
    """
    port = free_port()
    process = processes.start(name, COMMANDS[name](processes.folder, port, upstream), machine.test_core)
    process.wait_until_it_answers(port, PATH)
    return Contender(name, port, process)


def start_all(names: Collection[str], processes: Processes, machine: Machine) -> tuple[list[Contender], list[str]]:
    """Start the origin and the named contenders; what runs, and why the rest does not.

    Raises:
        StartFailedError: the origin or the gateway does not come up; without them there is nothing to compare.
    """
    origin = start_origin(processes, machine)
    upstream = f"http://127.0.0.1:{origin.port}"
    running, reasons = [], []
    for name in names:
        try:
            running.append(origin if name == "direct" else start(name, processes, machine, upstream))
        except StartFailedError as error:
            if name == "gateway":
                raise
            reasons.append(f"{name} is left out: {error}")
    return running, reasons
