"""Instances: each service two or three times, each instance on a loopback port of its own.

    python -m api_gateway.server.demo.instances 9101      only the services, on ports 9101 and up

Rule: one process and one server listen on all the ports; the port that a connection came in by
says which instance it reached, and every answer says so in `x-served-by`. Eighteen servers
would show a client nothing more and take seconds to start. The last port is the checkout's, if
there is one, so that all others stay where they are without it.

The process writes one line of JSON, its map (instance name to port) and a token for each user,
and serves. Started without a port, by the demo, it ends when its standard input does, so it cannot
outlive whoever started it, however that one ended; started by hand, with a port, it ends with
Ctrl-C. For the demo it makes an API key too, and removes the file of it in the end.

What it does not do: fail on purpose, or give instances different loads.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.server.demo.accounts import BUYER, demo_provider, user_tokens
from api_gateway.server.demo.checkout import checkout_application, checkout_is_there
from api_gateway.server.demo.configuration import CHECKOUT, PROVIDER, provider_url
from api_gateway.server.demo.key_maker import make_key
from api_gateway.server.demo.services import demo_services
from api_gateway.server.demo.shop import SEED, open_shop

INSTANCES: Mapping[str, int] = {
    "users": 3,
    "orders": 2,
    "payments": 2,
    "products": 2,
    "shipping": 2,
    "reviews": 3,
    "fallback": 2,
    PROVIDER: 1,
    **({CHECKOUT: 1} if checkout_is_there() else {}),
}
"""How many instances each service has."""


class Instance:
    """One instance: its service's application, signing every answer."""

    __slots__ = ("_application", "_name")

    def __init__(self, name: str, application: ASGIApp) -> None:
        self._name = name.encode()
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0] != b"date"]  # the server writes one
                message["headers"] = [*headers, (b"x-served-by", self._name)]
            await send(message)

        await self._application(scope, receive, signed)


class Switchboard:
    """An ASGI application that is another one on each port."""

    __slots__ = ("_by_port",)

    def __init__(self, by_port: Mapping[int, ASGIApp]) -> None:
        self._by_port = by_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        _, port = scope["server"]
        await self._by_port[port](scope, receive, send)


def instance_names() -> list[str]:
    """Every instance, service by service."""
    return [f"{service}-{number}" for service, count in INSTANCES.items() for number in range(1, count + 1)]


def listen(first_port: int) -> dict[str, socket.socket]:
    """A listening socket for each instance: `first_port` and up, or any free ports if it is 0.

    Raises:
        OSError: a port is taken.
        OverflowError: a port is over 65535.
    """
    sockets: dict[str, socket.socket] = {}
    try:
        for offset, name in enumerate(instance_names()):
            sockets[name] = _bound(first_port + offset if first_port else 0)
    except (OSError, OverflowError):  # the latter: not a port number
        for opened in sockets.values():
            opened.close()
        raise
    return sockets


def _bound(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is; with it on,
    # head and body, two writes, are up to 40 ms apart.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


async def serve(
    sockets: Mapping[str, socket.socket], applications: Mapping[str, ASGIApp], *, until_input_ends: bool
) -> None:
    """Serve each application on its sockets until a signal comes, or also until standard input ends."""
    by_port: dict[int, ASGIApp] = {
        _port(opened): Instance(name, applications[name.rpartition("-")[0]]) for name, opened in sockets.items()
    }
    server = uvicorn.Server(
        uvicorn.Config(
            Switchboard(by_port),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=0,
        )
    )
    if until_input_ends:
        threading.Thread(target=_stop_when_input_ends, args=(server,), daemon=True).start()
    await server.serve(sockets=list(sockets.values()))


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _stop_when_input_ends(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


def main(arguments: Sequence[str]) -> int:
    """Run the services' process; the one argument, if there is one, is the first port."""
    if len(arguments) > 1 or not all(argument.isdecimal() for argument in arguments):
        print("error: write one port, the first of the instances', or nothing", file=sys.stderr)
        return 2
    try:
        sockets = listen(int(arguments[0]) if arguments else 0)
    except (OSError, OverflowError) as error:
        print(f"error: no port for an instance of the services: {error}", file=sys.stderr)
        return 1
    if arguments:
        _run(sockets, None)
        return 0
    signal.signal(signal.SIGTERM, _leave)
    with TemporaryDirectory(prefix="api-gateway-demo-") as directory:
        _run(sockets, Path(directory) / "keys.yaml")
    return 0


def _run(sockets: Mapping[str, socket.socket], keys_file: Path | None) -> None:
    """Say what there is, and serve; `keys_file` is for the demo, which waits for it."""
    ports = {name: _port(opened) for name, opened in sockets.items()}
    provider = demo_provider(provider_url(ports))
    said: dict[str, object] = {"ports": ports, "tokens": user_tokens(provider)}
    if keys_file is not None:
        said |= {"key": make_key(keys_file), "keys_file": str(keys_file)}
    with suppress(BrokenPipeError):  # whoever started this has ended already; the input's end says so too
        os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")
    applications: dict[str, ASGIApp] = {**demo_services(open_shop(Random(SEED))), PROVIDER: provider.application}
    if CHECKOUT in INSTANCES:
        applications[CHECKOUT] = checkout_application(BUYER)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(sockets, applications, until_input_ends=keys_file is not None))


def _leave(_number: int, _frame: FrameType | None) -> None:
    """What a signal does that would end this process at once: what it has made is removed on the way out."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
