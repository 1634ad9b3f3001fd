"""The command line: what each command prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from api_gateway.config.schema import GatewayConfig
from api_gateway.server.cli import main
from tests.support.config_files import with_service

GOOD = with_service(
    "{path: /api/*, service: users, strip_prefix: true}",
    "{path: '/api/orders/{id}', service: users, methods: [GET], name: orders}",
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    return code, output.out, output.err


def test_without_arguments_it_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    for command in ("demo", "serve", "check", "explain", "schema", "key"):
        assert f"\n    {command} " in out


def test_it_runs_as_a_module_too() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "api_gateway", "schema"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert json.loads(result.stdout)["title"] == "GatewayConfig"


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        command = [sys.executable, "-m", "api_gateway", "schema"]
        result = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "")


# check


def test_check_says_that_a_file_is_good(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    assert run(capsys, "check", config) == (0, f"{config}: ok, 2 routes, 1 service\n", "")


def test_check_prints_every_problem_on_stderr(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    config.write_text("lisen: {}\n" + GOOD.replace("users, strip", "userz, strip"))
    code, out, err = run(capsys, "check", config)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"{config}:1:1: unknown key 'lisen'; did you mean 'listen'?",
        f"{config}:4:29: service 'userz' is not defined; define it under 'services'; did you mean 'users'?",
    ]


def test_check_reads_the_environment(
    capsys: pytest.CaptureFixture[str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(GOOD + "listen: {port: ${GATEWAY_TEST_PORT}}\n")
    assert run(capsys, "check", config)[0] == 1
    monkeypatch.setenv("GATEWAY_TEST_PORT", "8123")
    assert run(capsys, "check", config)[0] == 0


@pytest.mark.parametrize("command", [["check"], ["serve"], ["explain", "GET", "/a"]])
def test_a_missing_file_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    name, *rest = command
    path = tmp_path / "nope.yaml"
    assert run(capsys, name, path, *rest) == (
        *(1, ""),
        f"{path}:1:1: cannot be read: No such file or directory; check the name and the rights\n",
    )


# explain


def test_explain_tells_route_chain_forwarded_path_and_losers(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    code, out, err = run(capsys, "explain", config, "get", "http://api.example:81/api//x/../%6frders/7?v=1")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["request", "GET", "/api//x/../%6frders/7?v=1"]
    assert lines[1] == ["host", "api.example:81"]
    assert lines[2] == ["read", "as", "/api/orders/7?v=1"]
    assert lines[3] == ["route", "orders"]
    assert ["path", "/api/orders/{id}"] in lines
    assert ["parameters", "id", "=", "'7'"] in lines
    chain = [line for line in out.splitlines() if "Middleware" in line or "router" in line]
    titles = {"chain", "around"}
    assert [next(word for word in line.split() if word.isidentifier() and word not in titles) for line in chain] == [
        *(
            "MetricsMiddleware",
            "SecurityEventsMiddleware",
            "RequestIdMiddleware",
            "LoggingMiddleware",
            "ForwardedMiddleware",
            "router",
        ),
        "RemainingDeadlineMiddleware",
    ]
    assert ["forwarded", "GET", "/api/orders/7?v=1"] in lines
    assert ["http://127.0.0.1:9001", "weight", "1"] in lines
    assert out.endswith("not taken   /api/*  matches too, but is less specific than the winner\n")


def test_explain_shows_the_limits_in_the_order_in_which_they_are_asked(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    coarse = "middleware: [{rate_limit: {rate: 100/s, burst: 200, tiers: {gold: 500/s}}}]\n"
    both = "[{rate: 5/min, key: ['header:X-A', route], cost: 2}, {algorithm: concurrency, limit: 3}]"
    fine = f"{{rate_limit: {{limits: {both}}}}}"
    dry = "{rate_limit: {name: trial, algorithm: gcra, rate: 1/s, dry_run: true}}"
    config.write_text(coarse + with_service(f"{{path: /a, service: users, middleware: [{fine}, {dry}]}}"))
    code, out, _ = run(capsys, "explain", config, "GET", "/a")
    assert code == 0
    start = out.index("limits      ")
    assert out[start : out.index("forwarded")].splitlines() == [
        "limits      client_ip:100/s: token_bucket, 100 in 1s burst 200, by client_ip, gold 500 in 1s",
        "            x-a+route:5/min: token_bucket, 5 in 1m, by header:X-A and route, cost 2",
        "            client_ip:3/concurrent: concurrency, 3 at once, by client_ip",
        "            trial: gcra, 1 in 1s, by client_ip, dry run",
    ]


def test_explain_shows_the_stripped_path(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    code, out, _ = run(capsys, "explain", config, "DELETE", "/api/a/b?x")
    assert code == 0
    assert "forwarded   DELETE /a/b?x\n" in out
    assert "not taken   orders  segment 2 is 'a', not 'orders'\n" in out


def test_explain_takes_headers(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    config.write_text(with_service("{path: /a, service: users, headers: {x-tier: gold}, hosts: [h.example]}"))
    assert run(capsys, "explain", config, "GET", "/a")[0] == 1
    assert run(capsys, "explain", config, "GET", "/a", "-H", "X-Tier: gold")[0] == 1
    code, out, _ = run(capsys, "explain", config, "GET", "/a", "-H", "X-Tier: gold", "-H", "Host: h.example")
    assert code == 0
    assert "header x-tier must be 'gold'" in out
    assert "host is h.example" in out


@pytest.mark.parametrize(
    ("method", "url", "answer", "detail"),
    [
        ("GET", "/nothing", "404 Not Found", "no route matches"),
        ("GET", "/../etc", "400 Bad Request", "The path climbs above its root."),
        ("TRACE", "/api/x", "405 Method Not Allowed", "This path accepts"),
        ("GET", "http://a_b^/x", "400 Bad Request", "The Host header is not a valid host name"),
    ],
)
def test_explain_tells_a_refusal_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], config: Path, method: str, url: str, answer: str, detail: str
) -> None:
    code, out, _ = run(capsys, "explain", config, method, url)
    assert code == 1
    assert f"answer      {answer}\n            {detail}" in out


def test_explain_tells_which_method_would_be_right(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    config.write_text(with_service("{path: /a, service: users, methods: [GET, PUT]}"))
    code, out, _ = run(capsys, "explain", config, "POST", "/a")
    assert code == 1
    assert (
        "405 Method Not Allowed\n            a route matches but for the method; right would be GET, HEAD, PUT" in out
    )
    assert "not taken   /a  method POST is not one of GET, HEAD, PUT" in out


# What is wrong with the command line itself.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serv"], "invalid choice: 'serv'"),
        (["check"], "the following arguments are required: CONFIG"),
        (["check", "a", "b"], "unrecognized arguments: b"),
        (["serve", "c", "--port", "65536"], "'65536' is not a port from 0 to 65535"),
        (["serve", "c", "--port", "x"], "'x' is not a port from 0 to 65535"),
        (["serve", "c", "--workers", "0"], "'0' is not a number of workers from 1 to 256"),
        (["demo", "--admin-port", "-1"], "admin-port"),
        (["explain", "c", "GET", "ftp://h/"], "'ftp://h/' is neither a path such as /users nor an http or https URL"),
        (["explain", "c", "GET", "http://h:99999/"], "'http://h:99999/' is not a URL: Port out of range 0-65535"),
        (["explain", "c", "GET", "http://[::1/"], "'http://[::1/' is not a URL: Invalid IPv6 URL"),
        (["explain", "c", "GET", ""], "'' is neither a path"),
        (["explain", "c", "G T", "/"], "'G T' is not a method such as GET"),
        (["explain", "c", "GET", "/", "-H", "nope"], "'nope' is not of the form 'Name: value'"),
        (["explain", "c", "GET", "/", "-H", "a b: c"], "not a header name: 'a b'"),
        (["explain", "c", "GET", "/", "-H", "a: b\nc: d"], "header 'a' has a control character in its value"),
    ],
)
def test_a_bad_command_line_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert "--help' shows how" in err


# serve and demo hand over to their runners.


class Recorder(ModuleType):
    """Stands in for a module whose one function runs until it is stopped."""

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
        self.__dict__[function] = self._record

    def _record(self, *arguments: object, **options: object) -> int:
        self.calls.append((arguments, options))
        return 7


def test_serve_applies_its_options_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Recorder("run")
    monkeypatch.setitem(sys.modules, "api_gateway.server.runner", runner)
    config.write_text(GOOD + "listen: {host: 10.0.0.1, port: 1}\nadmin: {host: 10.0.0.2, port: 2}\n")
    given = ["--host", "0.0.0.0", "--port", "0", "--admin-host", "::1", "--admin-port", "9", "--workers", "3"]
    assert main(["serve", str(config)]) == 7
    assert main(["serve", str(config), *given]) == 7
    seen = []
    for (served,), options in runner.calls:
        assert isinstance(served, GatewayConfig)
        seen.append((served.listen.host, served.listen.port, served.admin.host, served.admin.port, options))
    assert seen == [
        ("10.0.0.1", 1, "10.0.0.2", 2, {"workers": 1}),
        ("0.0.0.0", 0, "::1", 9, {"workers": 3}),
    ]


def test_demo_hands_on_its_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Recorder("run_demo")
    monkeypatch.setitem(sys.modules, "api_gateway.server.demo", demo)
    assert main(["demo"]) == 7
    assert main(["demo", "--port", "0", "--admin-port", "1"]) == 7
    assert demo.calls == [(("127.0.0.1", 8080, 9901), {}), (("127.0.0.1", 0, 1), {})]
