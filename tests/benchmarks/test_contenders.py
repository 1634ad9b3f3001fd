import http.client
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from api_gateway.config.load import load_config
from benchmarks.contenders import COMMANDS, PATH, Contender, gateway_command, start, start_all, start_origin
from benchmarks.machine import Machine, tool
from benchmarks.origin import BODY
from benchmarks.processes import Processes, StartFailedError

ANYWHERE = Machine(())


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as running:
        yield running


@pytest.fixture(scope="module")
def origin(processes: Processes) -> Contender:
    return start_origin(processes, ANYWHERE)


def get(contender: Contender) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=5)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def needs(name: str) -> str | None:
    if name == "nginx" and tool("nginx") is None:
        return "nginx is not installed"
    if name == "aiohttp" and find_spec("aiohttp") is None:
        return "aiohttp is not installed; it comes with the extra `bench`"
    return None


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "uvicorn"])
def test_each_proxy_passes_on_the_origins_answer(name: str, processes: Processes, origin: Contender) -> None:
    if reason := needs(name):
        pytest.skip(reason)
    status, body, headers = get(start(name, processes, ANYWHERE, f"http://127.0.0.1:{origin.port}"))
    assert (status, body) == (200, BODY)
    assert headers["content-type"] == "application/json"
    assert ("x-request-id" in headers) == (name == "gateway")


def test_the_ceiling_answers_by_itself(processes: Processes) -> None:
    status, body, _ = get(start("uvicorn", processes, ANYWHERE, "http://127.0.0.1:1"))
    assert (status, body) == (200, b"{}")


def test_the_gateway_has_request_ids_and_a_deadline_and_writes_no_log(tmp_path: Path) -> None:
    command = gateway_command(tmp_path, 8080, "http://127.0.0.1:9001")
    config = load_config(Path(command[-1]), {})
    assert [entry.name for entry in config.middleware] == ["request_id", "deadline"]
    assert config.services["users"].transport == "http1"


def test_what_cannot_start_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "nginx", missing)
    with Processes() as processes:
        running, reasons = start_all(["nginx", "direct"], processes, ANYWHERE)
        assert [contender.name for contender in running] == ["direct"]
        assert reasons == ["nginx is left out: it is not installed"]


def test_without_the_gateway_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "gateway", missing)
    with Processes() as processes, pytest.raises(StartFailedError, match="not installed"):
        start_all(["gateway", "direct"], processes, ANYWHERE)


def missing(folder: Path, port: int, upstream: str) -> list[str]:
    raise StartFailedError("it is not installed")
