"""`api-gateway serve` as a real process, and a service for it that answers when the test says so.

    async with Origin() as origin, started(configuration(origin.url)) as gateway:
        response = await gateway.get("/quick")
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0

Rule: nothing waits by the clock. A process is awaited by its ready line, its next log line or its
end, each within `PATIENCE`; whatever is left at the end is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx
import yaml

PATIENCE = 15.0

_DRIVER = """
import sys
{before}
if __name__ == "__main__":
    from api_gateway.server.cli import main
    sys.exit(main(sys.argv[1:]))
"""


def configuration(url: str, **more: Any) -> dict[str, Any]:
    """A gateway on free ports that sends everything to `url`."""
    return {
        "listen": {"port": 0},
        "admin": {"port": 0},
        "services": {"origin": {"endpoints": [url]}},
        "middleware": ["request_id"],
        "routes": [{"path": "/*", "service": "origin"}],
        **more,
    }


class Lines:
    """What a process has written on one of its streams so far."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self.seen: list[str] = []
        self._news = asyncio.Condition()
        self._ended = False
        self._reader = asyncio.create_task(self._read(stream))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            async with self._news:
                self.seen.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self._ended = True
            self._news.notify_all()

    async def first(self, part: str) -> str | None:
        """The first line with `part` in it, as soon as there is one; None if the stream ends without."""

        def found() -> str | None:
            return next((line for line in self.seen if part in line), None)

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self._ended or found() is not None)
        return found()

    async def all(self) -> list[str]:
        """Every line, when the stream has ended: when all who could write to it are gone."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self._reader)
        return self.seen


class GatewayProcess:
    """A process of `api-gateway serve`."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.out = Lines(process.stdout)
        self.err = Lines(process.stderr)
        self.pid = process.pid
        self.directory = directory
        """Where the process makes its temporary files."""
        self.url = self.admin_url = ""
        self._process = process

    async def until_ready(self) -> None:
        """Raises AssertionError if the process ends without a ready line."""
        line = await self.out.first("ready: ")
        assert line is not None, await self.err.all()
        _, _, self.url, _, self.admin_url = line.split(" ")

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Through the gateway, on a new connection."""
        return await _get(self.url + path, headers)

    async def admin(self, path: str, **headers: str) -> httpx.Response:
        """From the admin port, on a new connection."""
        return await _get(self.admin_url + path, headers)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Waits for the end of the process itself, not of others that have its streams."""

        async def ended() -> bool:
            return self._process.returncode is not None

        await eventually(ended)
        assert self._process.returncode is not None
        return self._process.returncode

    async def refuses(self) -> bool:
        """Waits until the gateway's port takes no connections."""
        host, port = httpx.URL(self.url).host, httpx.URL(self.url).port

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except ConnectionError:
                return True
            writer.close()
            return False

        await eventually(refused)
        return True

    async def end(self) -> None:
        """Kill what is left."""
        if self._process.returncode is None:
            self._process.kill()
        await self.exit_code()
        await self.out.all()
        await self.err.all()


@asynccontextmanager
async def started(
    document: Mapping[str, Any], *options: str, before: str = "", ready: bool = True
) -> AsyncIterator[GatewayProcess]:
    """Serve `document`; `before` is Python that runs first in the process, `ready` waits for its ready line."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="gw-") as name:  # short: socket paths have a limit
        directory = Path(name)
        config, driver = directory / "gateway.yaml", directory / "driver.py"
        config.write_text(yaml.safe_dump(dict(document)))
        driver.write_text(_DRIVER.format(before=before))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(driver),
            "serve",
            str(config),
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TMPDIR": name},
            start_new_session=True,
        )
        gateway = GatewayProcess(process, directory)
        try:
            if ready:
                await gateway.until_ready()
            yield gateway
        finally:
            await gateway.end()


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again until the answer is true; for what cannot be waited for.

    Raises:
        TimeoutError: it never was.
    """
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110  # another process sets no events here
            await asyncio.sleep(0.01)


class Origin:
    """A service on a real socket.

    `/quick` answers at once; `/held` when `release` is set; `/endless` begins an answer and goes on
    for ever.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set when a request for something other than `/quick` has arrived."""
        self.release = asyncio.Event()
        self.url = ""
        self._server: asyncio.Server
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head.split(b" ")[1], writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _answer(self, path: bytes, writer: asyncio.StreamWriter) -> None:
        if path.startswith(b"/quick"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nquick")
            return
        self.asked.set()
        if path == b"/endless":
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            await asyncio.Event().wait()
        await self.release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nheld")


async def _get(url: str, headers: Mapping[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        return await client.get(url, headers=headers)
