"""Worker: one process of several that share the gateway's socket.

    supervisor -> worker   drain, cut      worker -> supervisor   ready

Rule: one socket pair joins a worker with its supervisor. The words above are lines on it, and its
end is a word too: a worker that reads the end has lost its supervisor, however that died, and
drains. So no worker outlives its supervisor for longer than the drain time.

Its admin pages are on a Unix-domain socket in a private directory; only the supervisor reads them.

What it does not do: answer Ctrl-C, which a terminal sends to every process of the group. The
supervisor does. SIGTERM, which may come from whoever stops the group, drains.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from pathlib import Path

from api_gateway.build import build_gateway
from api_gateway.config.schema import GatewayConfig
from api_gateway.server.garbage import set_apart
from api_gateway.server.process_logs import log_to_standard_streams
from api_gateway.server.serving import event_loop_runner, listener_certificates, serve_gateway
from api_gateway.server.sockets import listen_unix
from api_gateway.server.stop import Stop

READY = b"ready\n"
DRAIN = b"drain\n"
CUT = b"cut\n"


def work(
    config: GatewayConfig,
    listener: socket.socket,
    control: socket.socket,
    admin_path: Path,
    redirect: socket.socket | None = None,
) -> None:
    """The worker's main function: serve `listener` until `control` says to stop, or ends.

    Certificates are read here, from their files: no key travels between processes.
    """
    log_to_standard_streams()
    with event_loop_runner() as runner:
        runner.run(_Worker(config, listener, control, admin_path, redirect).serve())


class _Worker:
    def __init__(
        self,
        config: GatewayConfig,
        listener: socket.socket,
        control: socket.socket,
        admin_path: Path,
        redirect: socket.socket | None,
    ) -> None:
        self._config = config
        self._listener = listener
        self._control = control
        self._admin_path = admin_path
        self._redirect = redirect
        self._stop = Stop()
        self._orphaned = False

    async def serve(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.draining.set)
        reader, writer = await asyncio.open_connection(sock=self._control)
        orders = asyncio.create_task(self._obey(reader))
        try:
            await serve_gateway(
                build_gateway(self._config),
                self._config,
                self._listener,
                listen_unix(self._admin_path),
                self._stop,
                on_ready=lambda: self._ready(writer),
                certificates=listener_certificates(self._config),
                redirect_listener=self._redirect,
            )
        finally:
            orders.cancel()
            writer.close()
            if self._orphaned:
                self._clear_away()

    def _ready(self, writer: asyncio.StreamWriter) -> None:
        set_apart()
        writer.write(READY)

    def _clear_away(self) -> None:
        """What the supervisor would have done at its end."""
        self._admin_path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: another worker still lives
            self._admin_path.parent.rmdir()

    async def _obey(self, reader: asyncio.StreamReader) -> None:
        try:
            async for order in reader:
                if order == DRAIN:
                    self._stop.draining.set()
                elif order == CUT:
                    self._stop.insist()
        except ConnectionError:
            pass  # an end like any other
        self._orphaned = True
        self._stop.draining.set()
