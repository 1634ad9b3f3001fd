"""The gateway as one process: real signals, real sockets, from the ready line to the exit code."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from api_gateway.config.schema import GatewayConfig
from api_gateway.server.runner import run
from tests.support.gateway_process import PATIENCE, GatewayProcess, Origin, configuration, started

NO_UVLOOP = "sys.modules['uvloop'] = None"
BOTH_LOOPS = pytest.mark.parametrize("before", ["", NO_UVLOOP], ids=["uvloop where installed", "asyncio"])
UNREACHABLE = "http://127.0.0.1:1"


async def test_ready_is_the_only_line_and_both_ports_answer() -> None:
    async with Origin() as origin, started(configuration(origin.url)) as gateway:
        assert (await gateway.get("/quick")).text == "quick"
        for page in ("/", "/health", "/ready", "/routes", "/services", "/metrics"):
            assert (await gateway.admin(page)).status_code == 200, page
        endpoint = (await gateway.admin("/services")).json()["services"][0]["endpoints"][0]
        assert (endpoint["url"], endpoint["requests"], endpoint["in_flight"]) == (origin.url, 1, 0)
        assert 'status="200"} 1.0' in (await gateway.admin("/metrics")).text
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
        assert await gateway.out.all() == [f"ready: gateway {gateway.url} admin {gateway.admin_url}"]
        assert await gateway.err.all() == []


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def limited() -> AsyncIterator[GatewayProcess]:
    """For those who only look: its routes and its limits are few."""
    limits = {"max_target": 64, "max_header_bytes": 1024, "max_header_fields": 10}
    routes = [{"path": path, "service": "origin"} for path in ("/users", "/quick")]
    async with Origin() as origin, started(configuration(origin.url, routes=routes, limits=limits)) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
async def test_admin_pages_are_not_on_the_gateways_port_nor_routes_on_the_admin_port(limited: GatewayProcess) -> None:
    assert (await limited.get("/health")).status_code == 404
    assert (await limited.admin("/users")).status_code == 404
    assert "server" not in (await limited.get("/health")).headers


@pytest.mark.asyncio(loop_scope="module")
async def test_limits_of_the_configuration_hold_at_the_edge(limited: GatewayProcess) -> None:
    assert (await limited.get("/quick")).status_code == 200
    assert (await limited.get("/" + "x" * 64)).status_code == 414
    assert (await limited.get("/quick", **{"x-large": "x" * 1024})).status_code == 431
    assert (await limited.get("/quick", **{f"x-{n}": "" for n in range(10)})).status_code == 431


@pytest.mark.parametrize(("before", "number"), [("", signal.SIGTERM), (NO_UVLOOP, signal.SIGINT)])
async def test_a_signal_lets_a_running_request_finish_and_refuses_new_ones(before: str, number: signal.Signals) -> None:
    async with Origin() as origin, started(configuration(origin.url), before=before) as gateway:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.get("/held"))
            await origin.asked.wait()
            gateway.signal(number)
            assert await gateway.refuses()
            ready = await gateway.admin("/ready")
            assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
            assert (await gateway.admin("/health")).status_code == 200
            origin.release.set()
        assert (running.result().status_code, running.result().text) == (200, "held")
        assert await gateway.exit_code() == 0
        assert await gateway.err.all() == []


@BOTH_LOOPS
async def test_an_endless_stream_is_cut_when_the_time_to_drain_is_over(before: str) -> None:
    document = configuration(UNREACHABLE, drain_timeout="300ms")
    async with Origin() as origin:
        document["services"]["origin"]["endpoints"] = [origin.url]
        async with (
            started(document, before=before) as gateway,
            httpx.AsyncClient(timeout=PATIENCE) as client,
            client.stream("GET", f"{gateway.url}/endless") as stream,
        ):
            chunks = stream.aiter_raw()
            assert await anext(chunks) == b"first"
            gateway.signal(signal.SIGTERM)
            with pytest.raises(httpx.RemoteProtocolError):  # cut, not ended
                await anext(chunks)
            assert await gateway.exit_code() == 0
            (line,) = await gateway.err.all()
            assert "1 running requests are cut" in line


async def test_a_second_signal_cuts_what_still_runs() -> None:
    async with Origin() as origin, started(configuration(origin.url, drain_timeout="1h")) as gateway:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_failing(gateway.get("/held")))
            await origin.asked.wait()
            gateway.signal(signal.SIGINT)
            assert await gateway.refuses()
            assert not running.done()
            gateway.signal(signal.SIGINT)
        assert isinstance(running.result(), httpx.RemoteProtocolError)
        assert await gateway.exit_code() == 0


async def test_idle_connections_do_not_hold_up_the_end() -> None:
    async with (
        Origin() as origin,
        started(configuration(origin.url, drain_timeout="1h")) as gateway,
        httpx.AsyncClient(timeout=PATIENCE) as client,
    ):
        for path in ("/quick", "/quick"):
            assert (await client.get(gateway.url + path)).status_code == 200
        _, silent = await asyncio.open_connection(httpx.URL(gateway.url).host, httpx.URL(gateway.url).port)
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
        silent.close()


async def test_the_access_log_is_on_standard_output_and_everything_else_is_not() -> None:
    async with Origin() as origin, started(configuration(origin.url, middleware=["access_log"])) as gateway:
        await gateway.get("/quick?seen=1")
        line = await gateway.out.first("/quick")
        assert line is not None
        assert json.loads(line)["status"] == 200
        assert (await gateway.get("/" + "x" * 9000)).status_code == 414
        refused = await gateway.err.first("414")
        assert refused is not None
        assert '"event":"malformed"' in refused
        gateway.signal(signal.SIGTERM)
        await gateway.exit_code()
        assert len(await gateway.out.all()) == 2


# What keeps it from starting.


@contextmanager
def _taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def _refusal(document: dict[str, Any], *options: str) -> str:
    async with started(document, *options, ready=False) as gateway:
        assert await gateway.exit_code() == 1
        assert await gateway.out.all() == []
        (line,) = await gateway.err.all()
        return line


@pytest.mark.parametrize(("place", "option"), [("listen", "--port"), ("admin", "--admin-port")])
async def test_a_taken_port_is_one_line_with_address_cause_and_remedy(place: str, option: str) -> None:
    with _taken() as port:
        line = await _refusal(configuration(UNREACHABLE, **{place: {"port": port}}))
    expected = f"cannot listen on 127.0.0.1:{port}: the address is in use; choose another with {option}"
    assert line == f"error: {expected}"


@pytest.fixture
def loggers_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api_gateway.server.runner.log_to_standard_streams", lambda: None)


@pytest.mark.usefixtures("loggers_left_alone")
def test_a_configuration_that_cannot_be_built_is_said_and_not_served(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"listen": {"port": 0}, "admin": {"port": 0}, "routes": [{"path": "/*", "service": "nobody"}]}
    config = GatewayConfig.model_validate(document)
    assert run(config) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "nobody" in output.err


def test_less_than_one_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 worker, not 0"):
        run(GatewayConfig.model_validate(configuration(UNREACHABLE)), workers=0)


@pytest.mark.usefixtures("loggers_left_alone")
def test_the_caller_is_told_the_addresses_before_the_ready_line_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said: list[str] = []

    def greet(gateway: str, admin: str) -> None:
        said.append(capsys.readouterr().out)
        print("greetings from", gateway, admin)
        signal.raise_signal(signal.SIGTERM)

    assert run(GatewayConfig.model_validate(configuration(UNREACHABLE)), before_ready=greet) == 0
    first, second = capsys.readouterr().out.splitlines()
    _, _, gateway, admin = first.split()
    assert said == [""]
    assert second == f"ready: gateway {gateway} admin {admin}"


async def _failing(call: Any) -> Exception:
    try:
        await call
    except httpx.HTTPError as error:
        return error
    raise AssertionError("there was an answer")
