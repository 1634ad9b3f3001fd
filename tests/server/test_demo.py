"""The demo, as its user meets it: a process, its terminal, its ports.

What the screen promises is read off the screen and then tried, so text and truth cannot drift.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.api_key import key_digest
from api_gateway.auth.key_file import parse_keys
from api_gateway.config.load import load_config, load_document
from api_gateway.config.schema import GatewayConfig
from api_gateway.server.cli import main as run_command
from api_gateway.server.demo.catalogue import JOURNEY
from api_gateway.server.demo.configuration import CHECKOUT, GATEWAY, PROVIDER, ROUTES, demo_configuration
from api_gateway.server.demo.instances import INSTANCES, instance_names, listen
from api_gateway.server.demo.instances import main as run_instances
from api_gateway.server.demo.shop import open_shop
from api_gateway.server.demo.welcome import welcome

PATIENCE = 20.0
PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "examples" / "demo.yaml"
EXAMPLE_KEYS = PROJECT / "examples" / "demo-keys.yaml"
READY = re.compile(r"ready: gateway (http://\S+) admin (http://\S+)")
NUMBERED = re.compile(r" {1,2}(\d{1,2})  (\S.*)")
VARIABLE = re.compile(r"  ([A-Z_]+)=\S.*")
CREDENTIALS = ("KEY", "ANNA", "BEN", "ROBOT")
COMMANDS = 20


class Demo:
    """A running demo; reads what it prints."""

    def __init__(self, *arguments: str, temporary: Path | None = None) -> None:
        environment = {} if temporary is None else {"TMPDIR": str(temporary)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api_gateway", "demo", *arguments],
            cwd=PROJECT,  # where the checkout is found
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def lines(self) -> list[str]:
        with self._news:
            return list(self._lines)

    def wait_for_line(self, matches: Callable[[str], object]) -> str:
        def found() -> str | None:
            return next((line for line in self._lines if matches(line)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self._ended, PATIENCE)
            line = found()
            assert line is not None, "\n".join(self._lines)
            return line

    def wait_until_ready(self) -> tuple[str, str]:
        ready = READY.fullmatch(self.wait_for_line(READY.fullmatch))
        assert ready is not None
        return ready[1], ready[2]

    @property
    def instance_ports(self) -> dict[str, int]:
        return {name: int(port) for name, port in re.findall(r"(\w+-\d):(\d+)", "\n".join(self.lines))}

    def finish(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join()
            assert self.process.stdout is not None
            self.process.stdout.close()


@dataclass(frozen=True)
class Printed:
    """A suggestion, as it stands on the screen."""

    command: str
    look_for: str

    @property
    def repetitions(self) -> int:
        loop = re.match(r"for i in ([\d ]+);", self.command)
        return len(loop[1].split()) if loop else 1

    @property
    def method(self) -> str:
        arguments = self._curl()
        return arguments[arguments.index("-X") + 1] if "-X" in arguments else "GET"

    @property
    def url(self) -> str:
        (url,) = (argument for argument in self._curl() if argument.startswith("http"))
        return url

    @property
    def status(self) -> int:
        (status,) = re.findall(r"\b[1-5]\d\d\b", self.look_for)
        return int(status)

    def _curl(self) -> list[str]:
        command = self.command[self.command.index("curl") :]
        return shlex.split(re.split(r"[|;]", command)[0])


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    demo = Demo("--port", "0", "--admin-port", "0")
    try:
        demo.wait_until_ready()
        yield demo
    finally:
        assert demo.finish(signal.SIGTERM) == 0


@pytest.fixture(scope="module")
def gateway(demo: Demo) -> str:
    return demo.wait_until_ready()[0]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture(scope="module")
def provider(demo: Demo) -> str:
    return f"http://127.0.0.1:{demo.instance_ports[f'{PROVIDER}-1']}"


@pytest.fixture(scope="module")
def printed(demo: Demo) -> list[Printed]:
    lines = demo.lines
    numbered = [(index, match) for index, line in enumerate(lines) if (match := NUMBERED.fullmatch(line))]
    assert [int(match[1]) for _, match in numbered] == list(range(1, len(numbered) + 1))
    return [Printed(match[2], lines[index + 1].strip()) for index, match in numbered]


@pytest.fixture(scope="module")
def pasted(demo: Demo) -> Mapping[str, str]:
    """The variables that are there in a shell once the lines are pasted."""
    lines = [line for line in demo.lines if VARIABLE.fullmatch(line)]
    names = [name for line in lines for name in re.findall(r" ([A-Z_]+)=", line)]
    shown = "".join(f'echo "${name}"\n' for name in names)
    values = in_shell("\n".join(lines) + "\n" + shown, {}).splitlines()
    return dict(zip(names, values, strict=True))


def in_shell(command: str, variables: Mapping[str, str]) -> str:
    """What a command prints."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl to type the printed commands with")
    finished = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return finished.stdout


def statuses(output: str) -> list[int]:
    return [int(status) for status in re.findall(r"^HTTP/1\.1 (\d{3})", output, re.MULTILINE)]


def promised_statuses(one: Printed) -> list[int]:
    return [int(status) for status in re.findall(r"\b[2-5]\d\d\b", one.look_for)]


def as_json(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


# What the screen says.


def test_all_commands_are_printed_for_the_addresses_that_listen(
    demo: Demo, printed: list[Printed], gateway: str, provider: str
) -> None:
    assert len(printed) == COMMANDS
    admin = demo.wait_until_ready()[1]
    elsewhere = [one.url for one in printed if not one.url.startswith(f"{gateway}/")]
    assert elsewhere == [f"{admin}/cache/purge", f"{provider}/outage", f"{provider}/outage"]


def test_the_map_shows_every_route_and_every_instance(demo: Demo) -> None:
    for route in ROUTES:
        assert any(line.split()[:2] == [route.path, route.service] for line in demo.lines)
    assert sorted(demo.instance_ports) == sorted(instance_names())
    services = {name: count for name, count in INSTANCES.items() if name not in (PROVIDER, CHECKOUT)}
    assert {2, 3} == set(services.values())
    assert len(services) == 7


def test_an_instance_answers_on_the_port_that_the_map_shows(demo: Demo, client: httpx.Client) -> None:
    for name, port in demo.instance_ports.items():
        assert client.get(f"http://127.0.0.1:{port}/").headers["x-served-by"] == name


def test_the_screen_fits_80_columns_but_for_programs_and_what_is_pasted() -> None:
    ports = dict.fromkeys(instance_names(), 65535)
    wide = [line for line in _welcome(ports, colour=False).splitlines() if len(line) > 80]
    assert [line.split()[0] for line in wide if NUMBERED.fullmatch(line)] == _WIDE_COMMANDS
    assert [match[1] for line in wide if (match := VARIABLE.fullmatch(line))] == _WIDE_VARIABLES
    assert len(wide) == len(_WIDE_COMMANDS) + len(_WIDE_VARIABLES)


_WIDE_COMMANDS = ["1", "6", "8", "9", "10", "11", "15", "16", "17", "19"]
_WIDE_VARIABLES = ["KEY", "ANNA", "ROBOT", "BUY", "BUY_POORLY"]


def test_the_screen_has_no_more_lines_than_anybody_reads() -> None:
    assert len(_welcome(dict.fromkeys(instance_names(), 65535), colour=False).splitlines()) <= 80


def test_without_the_example_the_demo_has_no_checkout_and_says_where_it_is() -> None:
    ports = {name: 65535 for name in instance_names() if name != f"{CHECKOUT}-1"}
    text = _welcome(ports, colour=False)
    assert "/api/checkout" not in text
    assert "examples/checkout" in text
    config = GatewayConfig.model_validate(demo_configuration("127.0.0.1", 8080, 9901, ports, EXAMPLE_KEYS))
    assert CHECKOUT not in {route.service for route in config.routes}
    assert len(config.routes) == len(ROUTES) - 1


@pytest.mark.parametrize("there", [True, False])
def test_the_checkout_is_there_where_the_example_is(there: bool, tmp_path: Path) -> None:
    program = "from api_gateway.server.demo.instances import instance_names; print(*instance_names())"
    names = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT if there else tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout.split()
    assert (f"{CHECKOUT}-1" in names) == there
    assert [name for name in names if name != f"{CHECKOUT}-1"] == instance_names()[:-1]


def test_colour_changes_nothing_but_the_colour() -> None:
    ports = dict.fromkeys(instance_names(), 1)
    plain, coloured = _welcome(ports, colour=False), _welcome(ports, colour=True)
    assert "\x1b" not in plain
    assert coloured != plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_output_that_is_no_terminal_has_no_colours(demo: Demo) -> None:
    assert not any("\x1b" in line for line in demo.lines)


# What the screen promises.


def test_the_first_command_shows_round_robin(printed: list[Printed], demo: Demo, client: httpx.Client) -> None:
    one = printed[0]
    promised = re.findall(r"users-\d", one.look_for)
    assert promised == [name for name in demo.instance_ports if name.startswith("users-")]
    served = [client.request(one.method, one.url).headers["x-served-by"] for _ in range(one.repetitions)]
    start = promised.index(served[0])
    in_turn = itertools.islice(itertools.cycle(promised), start, start + one.repetitions)
    assert served == list(in_turn)
    assert one.repetitions == 2 * len(promised)


def test_the_second_command_gets_its_answer_from_the_gateway_itself(
    printed: list[Printed], client: httpx.Client
) -> None:
    response = client.get(printed[1].url)
    assert response.status_code == printed[1].status == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert "x-served-by" not in response.headers


def test_the_third_command_gets_the_allow_header_that_is_promised(printed: list[Printed], client: httpx.Client) -> None:
    one = printed[2]
    promised = re.search(r"allow: ([A-Z, ]+)", one.look_for)
    assert promised is not None
    response = client.request(one.method, one.url)
    assert response.status_code == one.status == 405
    assert response.headers["allow"] == promised[1]
    assert "x-served-by" not in response.headers


def test_the_fourth_command_streams_event_by_event(printed: list[Printed], client: httpx.Client) -> None:
    one = printed[3]
    with client.stream("GET", one.url) as response:
        assert response.status_code == one.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        arrivals = [time.monotonic() for line in response.iter_lines() if line.startswith("data: ")]
    assert "six events" in one.look_for
    assert len(arrivals) == len(JOURNEY) == 6
    # Sent over 1.5 s; a gateway that collects the answer first hands on all events at once.
    assert arrivals[-1] - arrivals[0] > 0.5


def test_the_fifth_command_takes_as_long_as_is_promised(printed: list[Printed], client: httpx.Client) -> None:
    one = printed[4]
    promised = re.search(r"after (\d+) s.*takes (\d+) s", one.look_for)
    assert promised is not None
    started = time.monotonic()
    response = client.get(one.url)
    assert int(promised[1]) <= time.monotonic() - started < int(promised[2])
    assert response.status_code == one.status == 504


def test_the_sixth_command_is_admitted_as_often_as_is_promised(printed: list[Printed], client: httpx.Client) -> None:
    one = printed[5]
    promised = re.match(r"(\d) are admitted", one.look_for)
    assert promised is not None
    answers = [client.request(one.method, one.url) for _ in range(one.repetitions)]
    admitted = int(promised[1])
    assert [answer.status_code for answer in answers] == [200] * admitted + [one.status]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
    assert answers[-1].json()["type"].endswith("#quota-exceeded")


def test_the_seventh_command_gets_one_answer_made_of_all_that_belongs_to_an_order(
    printed: list[Printed], gateway: str, client: httpx.Client
) -> None:
    def get(path: str) -> Any:
        return as_json(client.get(f"{gateway}/api/{path}"))

    details = json.loads(in_shell(printed[6].command, {}))
    order = get(f"orders/{details['order']}")
    assert details == {
        "order": order["id"],
        "placed_on": order["placed_on"],
        "customer": get(f"users/{order['user_id']}")["name"],
        "total_cents": order["total_cents"],
        "payment": get(f"payments/{order['id']}")["status"],
        "parcel": get(f"shipments/{order['id']}")["status"],
        "products": [get(f"products/{item['product_id']}")["title"] for item in order["items"]],
    }
    assert f"made of {len(order['items']) + 4};" in printed[6].look_for


def test_the_eighth_command_prints_the_time_of_the_calls_and_of_the_aggregate_side_by_side(
    printed: list[Printed],
) -> None:
    one = printed[7]
    *each, together = in_shell(one.command, {}).splitlines()
    assert [line.split()[1] for line in each] == ["s"] * 8
    times = [float(line.split()[0]) for line in each]
    assert each[0].endswith("/api/orders/11")
    assert each[-1].endswith("/api/order-details/11")
    summary = re.fullmatch(r"([\d.]+) s in 7 calls, ([\d.]+) s in one", together)
    promised = re.fullmatch(r"([\d.]+) s each: ([\d.]+) s one after another, ([\d.]+) s as one answer", one.look_for)
    assert summary is not None
    assert promised is not None
    assert float(summary[1]) == pytest.approx(sum(times[:-1]), abs=0.001)
    assert float(summary[2]) == times[-1]
    latency, in_turn, at_once = map(float, promised.groups())
    assert min(times) >= latency - 0.005
    assert float(summary[1]) >= in_turn - 0.035
    assert at_once - 0.01 <= times[-1] < float(summary[1])


def test_an_order_that_is_not_there_is_a_404_that_names_the_parts(gateway: str, client: httpx.Client) -> None:
    response = client.get(f"{gateway}/api/order-details/9999")
    assert response.status_code == 404
    assert "order" in response.json()["parts"]
    assert client.post(f"{gateway}/api/order-details/11").status_code == 405


def test_the_ninth_command_shows_a_shape_for_each_client(printed: list[Printed]) -> None:
    web, mobile = map(json.loads, in_shell(printed[8].command, {}).splitlines())
    promised = re.search(r"all (\d) orders, or the last (\d) and a small avatar", printed[8].look_for)
    assert promised is not None
    assert (len(web["orders"]), len(mobile["orders"])) == (int(promised[1]), int(promised[2])) == (4, 3)
    assert {order["user_id"] for order in web["orders"]} == {web["user"]["id"]}
    assert [order["id"] for order in mobile["orders"]] == [order["id"] for order in reversed(web["orders"])][:3]
    assert mobile["avatar"] == web["user"]["avatars"]["small"] != web["user"]["avatars"]["large"]
    assert [*mobile["orders"][0]] == ["id", "placed_on", "total_cents"]


def test_the_next_two_commands_show_an_answer_that_is_kept_and_one_that_is_forgotten(printed: list[Printed]) -> None:
    twice, forget = printed[9], printed[10]
    for _ in range(2):  # the second time because it was forgotten
        in_shell(forget.command, {})
        answers = in_shell(twice.command, {})
        stored, hit = re.findall(r"^cache-status: (.*)", answers, re.MULTILINE)
        slow, quick = (float(seconds) for seconds in re.findall(r"^([\d.]+) s", answers, re.MULTILINE))
        assert re.search(r"\bfwd=uri-miss\b.*\bstored\b", stored)
        assert re.search(r"\bhit\b", hit)
        assert len(re.findall(r"^age: \d+", answers, re.MULTILINE)) == 1
        assert quick < slow
        assert slow >= float(twice.look_for.split()[0]) - 0.005
    assert json.loads(in_shell(forget.command, {}))["purged"] == 1
    assert json.loads(in_shell(forget.command, {}))["purged"] == 0


def test_without_credentials_the_twelfth_command_is_told_how_to_prove_who_calls(
    printed: list[Printed], client: httpx.Client
) -> None:
    one = printed[11]
    response = client.request(one.method, one.url)
    assert [response.status_code] == promised_statuses(one) == [401]
    ways = [line.partition(" ")[0] for line in response.headers.get_list("www-authenticate")]
    assert ways == ["ApiKey", "Bearer"]
    assert "www-authenticate" in one.look_for


@pytest.mark.parametrize(("index", "caller"), [(12, "warehouse"), (13, "robot")])
def test_the_next_two_commands_show_that_the_service_knows_who_calls_and_gets_no_credentials(
    index: int, caller: str, printed: list[Printed], pasted: Mapping[str, str]
) -> None:
    output = in_shell(printed[index].command, pasted)
    assert statuses(output) == promised_statuses(printed[index]) == [200]
    arrived = json.loads(output[output.index("{") :])["request"]["headers"]
    assert f"x-user-id: {caller}" in arrived
    assert "x-user-scopes: orders:read" in arrived
    assert not any(header.startswith(("x-api-key:", "authorization:")) for header in arrived)
    assert not any(pasted[name] in output for name in ("KEY", "ROBOT"))


def test_the_robots_token_is_a_jwt_and_the_users_are_opaque(pasted: Mapping[str, str]) -> None:
    assert [pasted[name].count(".") for name in ("ROBOT", "ANNA", "BEN")] == [2, 0, 0]
    assert len({pasted[name] for name in CREDENTIALS}) == 4


def test_the_fifteenth_command_lets_anna_in_and_says_what_ben_lacks(
    printed: list[Printed], pasted: Mapping[str, str]
) -> None:
    output = in_shell(printed[14].command, pasted)
    assert statuses(output) == promised_statuses(printed[14]) == [200, 403]
    assert 'www-authenticate: Bearer error="insufficient_scope", scope="orders:read"' in output


def test_the_next_two_commands_buy_once_and_leave_nothing_of_what_cannot_be_paid(
    printed: list[Printed], pasted: Mapping[str, str]
) -> None:
    whole, declined = printed[15], printed[16]
    output = in_shell(whole.command, pasted)
    assert statuses(output) == promised_statuses(whole) == [201, 201]
    assert output.count("idempotent-replayed: true") == 1
    problem, books = map(json.loads, in_shell(declined.command, pasted).splitlines())
    assert [problem["status"]] == promised_statuses(declined) == [402]
    assert problem["step"] == "pay"
    assert [len(books[name]) for name in ("reservations", "payments", "orders", "shipments")] == [1, 1, 1, 1]
    assert books["stock"] == {"tea": 8, "kettle": 4}
    assert books["takings_cents"] == 4700
    assert books["needs_human"] == []


def test_nobody_checks_out_in_the_name_of_another(
    gateway: str, client: httpx.Client, pasted: Mapping[str, str]
) -> None:
    headers = {"idempotency-key": '"mine"', "x-user-id": "anna"}
    url, purchase = f"{gateway}/api/checkout", pasted["BUY"]
    assert client.post(url, content=purchase, headers=headers).status_code == 401
    ben = {**headers, "authorization": f"Bearer {pasted['BEN']}"}
    assert client.post(url, content=purchase, headers=ben).status_code == 404  # the cart is anna's
    anna = {"authorization": f"Bearer {pasted['ANNA']}"}
    assert client.post(url, content=purchase, headers=anna).status_code == 400  # no key
    response = client.get(url, headers=anna)
    assert response.status_code == 404
    assert [name for name, _ in response.headers.multi_items()].count("date") == 1


def test_the_last_three_commands_show_what_is_left_without_the_provider(
    demo: Demo, printed: list[Printed], pasted: Mapping[str, str], client: httpx.Client, provider: str
) -> None:
    off, attempts, on = (one.command for one in printed[17:20])
    anna, url = {"authorization": f"Bearer {pasted['ANNA']}"}, printed[18].url
    assert client.get(url, headers=anna).status_code == 200  # or there would be nothing to remember
    try:
        assert json.loads(in_shell(off, pasted)) == {"mode": "down"}
        patience = time.monotonic() + PATIENCE
        while (answer := client.post(url, headers=anna)).status_code == 200:  # while the last answer counts as new
            assert time.monotonic() < patience
        assert answer.status_code == 503
        assert "www-authenticate" not in answer.headers
        # No more than these: with half of ten questions failed, the circuit would open.
        assert statuses(in_shell(attempts, pasted)) == promised_statuses(printed[18]) == [200, 503, 503]
        assert 'introspection_down{provider="identity"} 1.0' in _admin(demo, client, "/metrics")
        assert json.loads(in_shell(on, pasted)) == {"mode": "up"}
    finally:
        client.post(f"{provider}/outage", json={"mode": "up"})
    assert statuses(in_shell(attempts, pasted)) == promised_statuses(printed[19]) == [200, 200, 401]
    assert 'introspection_down{provider="identity"} 0.0' in _admin(demo, client, "/metrics")


def test_the_admin_pages_show_the_provider_and_the_circuit_to_it(
    demo: Demo, client: httpx.Client, gateway: str, pasted: Mapping[str, str]
) -> None:
    response = client.get(f"{gateway}/api/me", headers={"authorization": f"Bearer {pasted['BEN']}"})
    assert response.status_code == 200
    services = {service["name"]: service for service in json.loads(_admin(demo, client, "/services"))["services"]}
    identity = services[PROVIDER]
    assert identity["circuit_breaker"] == "closed"
    assert identity["endpoints"][0]["requests"] > 0
    metrics = _admin(demo, client, "/metrics")
    assert 'api_gateway_circuit_state{service="identity",state="closed"} 1.0' in metrics
    assert 'api_gateway_introspection_answers_total{provider="identity",result="active"}' in metrics
    assert 'api_gateway_jwks_fetches_total{provider="identity"}' in metrics


@pytest.mark.parametrize(
    "path", ["/api/me", "/api/me/", "/api/me/x", "/api/%6de", "/api/me/orders", "/api//me/orders/1"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_nothing_below_me_is_open_to_a_stranger(path: str, method: str, gateway: str, client: httpx.Client) -> None:
    response = client.request(method, gateway + path)
    assert response.status_code in (401, 404)
    assert "x-served-by" not in response.headers


def test_no_key_and_no_token_is_in_the_log_or_on_an_admin_page(
    demo: Demo, gateway: str, client: httpx.Client, pasted: Mapping[str, str]
) -> None:
    key = pasted["KEY"]
    for headers in ({"x-api-key": key}, *({"authorization": f"Bearer {pasted[who]}"} for who in ("ANNA", "BEN"))):
        client.get(f"{gateway}/api/me/orders/42?who=everybody", headers=headers)
    demo.wait_for_line(lambda line: '"forbidden"' in line)
    client.get(f"{gateway}/api/me/last-of-all")
    demo.wait_for_line(lambda line: "/last-of-all" in line and "401" in line)
    lines = demo.lines
    seen = lines[lines.index(next(filter(READY.fullmatch, lines))) :]
    seen += [_admin(demo, client, page) for page in ("/", "/routes", "/services", "/metrics")]
    secrets = [
        *(pasted[name] for name in CREDENTIALS),
        key.rpartition("_")[2],
        sha256(key.encode()).hexdigest(),
        GATEWAY.secret,
    ]
    assert not any(secret in text for secret in secrets for text in seen)


def test_the_admin_pages_that_are_named_are_there(demo: Demo, client: httpx.Client) -> None:
    admin = demo.wait_until_ready()[1]
    pages = [line.split()[0] for line in demo.lines if line.startswith(f"  {admin}")]
    assert len(pages) >= 3
    for page in pages:
        assert client.get(page).status_code == 200, page


def test_each_request_shows_in_the_log(demo: Demo, gateway: str, client: httpx.Client) -> None:
    client.get(f"{gateway}/api/products/42?seen=in-the-log")
    line = demo.wait_for_line(lambda line: "/api/products/42" in line)
    assert "GET" in line
    assert "200" in line


# The data behind it.


def test_every_order_leads_to_its_user_products_payment_and_shipment(gateway: str, client: httpx.Client) -> None:
    def by(member: str, path: str) -> dict[int, Any]:
        return {record[member]: record for record in as_json(client.get(f"{gateway}/api{path}"))}

    orders, users, products = by("id", "/orders"), by("id", "/users"), by("id", "/products")
    payments, shipments = by("order_id", "/payments"), by("order_id", "/shipments")
    assert len(orders) == 60
    for number, order in orders.items():
        assert users[order["user_id"]]["name"]
        assert payments[number]["amount_cents"] == order["total_cents"]
        assert shipments[number]["city"] == users[order["user_id"]]["city"]
        assert all(products[item["product_id"]]["title"] for item in order["items"])
    assert as_json(client.get(f"{gateway}/api/orders/11")) == orders[11]


def test_query_parameters_choose(gateway: str, client: httpx.Client) -> None:
    books = as_json(client.get(f"{gateway}/api/products?category=books"))
    assert {book["category"] for book in books} == {"books"}
    reviews = as_json(client.get(f"{gateway}/api/reviews?product_id=42"))
    assert {review["product_id"] for review in reviews} == {42}
    assert client.get(f"{gateway}/api/reviews?product_id=many").status_code == 400


def test_a_service_answers_for_a_record_that_is_not_there(gateway: str, client: httpx.Client) -> None:
    response = client.get(f"{gateway}/api/users/9999")
    assert response.status_code == 404
    assert response.headers["x-served-by"].startswith("users-")
    assert response.json()["error"] == "there is no user 9999; they go from 1 to 50"


def test_no_answer_leads_around_the_gateway(gateway: str, client: httpx.Client) -> None:
    for path in ("/api/users/42/", "/api/users//42", "/api/orders/"):
        assert "location" not in client.get(gateway + path).headers, path


def test_the_fallback_shows_what_reached_it(gateway: str, client: httpx.Client) -> None:
    arrived = as_json(client.get(f"{gateway}/api/anything/else?a=1"))["request"]
    assert (arrived["path"], arrived["query"]) == ("/api/anything/else", "a=1")
    assert any(header.startswith("x-request-id: ") for header in arrived["headers"])


@given(st.integers())
def test_every_seed_makes_a_shop_without_loose_ends(seed: int) -> None:
    shop = open_shop(Random(seed))
    bought: set[tuple[int, int]] = set()
    for order in shop.orders.values():
        assert order["user_id"] in shop.users
        assert order["items"]
        assert order["total_cents"] == sum(item["quantity"] * item["price_cents"] for item in order["items"])
        bought |= {(item["product_id"], order["user_id"]) for item in order["items"]}
    assert {product for product, _ in bought} == set(shop.products)
    assert {(review["product_id"], review["user_id"]) for review in shop.reviews.values()} == bought
    assert set(shop.payments) == set(shop.shipments) == set(shop.orders)
    for records in (shop.users, shop.products, shop.orders, shop.payments, shop.shipments, shop.reviews):
        assert 42 in records


def test_one_seed_makes_one_shop() -> None:
    assert open_shop(Random(7)) == open_shop(Random(7))
    assert open_shop(Random(7)) != open_shop(Random(8))


def test_the_example_file_is_the_demos_configuration() -> None:
    ports = {name: port for port, name in enumerate(instance_names(), start=9101)}
    keys_file = EXAMPLE_KEYS.relative_to(PROJECT)
    expected = GatewayConfig.model_validate(demo_configuration("127.0.0.1", 8080, 9901, ports, keys_file))
    assert load_config(EXAMPLE, {}) == expected


def test_the_example_file_can_be_checked_where_the_project_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    assert run_command(["check", "examples/demo.yaml"]) == 0
    assert "ok" in capsys.readouterr().out


def test_the_key_that_the_example_names_is_the_one_in_its_file() -> None:
    (record,) = parse_keys(load_document(EXAMPLE_KEYS, "keys"), str(EXAMPLE_KEYS)).values()
    for file in (EXAMPLE, EXAMPLE_KEYS):
        named = re.search(r"X-API-Key: (gw_[\w-]+)", file.read_text(encoding="utf-8"))
        assert named is not None
        assert key_digest(named[1].encode()) == record.digest


# Beginning and end.


@pytest.mark.parametrize(("option", "other"), [("--port", "--admin-port"), ("--admin-port", "--port")])
def test_a_taken_port_is_one_line_that_names_port_and_remedy(option: str, other: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        demo = Demo(option, port, other, "0")
        assert demo.wait() == 1
    (line,) = demo.lines
    assert port in line
    assert re.search(rf"(?<!\S){option}\b", line)


def test_the_services_answer_in_one_piece() -> None:
    """Where asyncio is not told that it is TCP, Nagle's algorithm holds a body back for 40 ms."""
    sockets = listen(0)
    assert {opened.proto for opened in sockets.values()} == {socket.IPPROTO_TCP}
    for opened in sockets.values():
        opened.close()


def test_a_taken_port_of_an_instance_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run_instances([str(taken.getsockname()[1])]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no port for an instance of the services: ")


@pytest.mark.parametrize("arguments", [["x"], ["-1"], ["9101", "9102"]])
def test_a_wrong_argument_for_the_services_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_instances(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_ports_that_do_not_exist_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_instances(["65536"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_ctrl_c_ends_everything_soon_and_in_silence(tmp_path: Path) -> None:
    demo = Demo("--port", "0", "--admin-port", "0", temporary=tmp_path)
    gateway, admin = demo.wait_until_ready()
    assert await asyncio.to_thread(_files, tmp_path) == ["keys.yaml"]
    ports = [httpx.URL(gateway).port, httpx.URL(admin).port, *demo.instance_ports.values()]
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(client.get(f"{gateway}/api/reviews/slow"))
        async with client.stream("GET", f"{gateway}/api/shipments/42/events") as stream:
            assert stream.status_code == 200
            started = time.monotonic()
            code = await asyncio.to_thread(demo.finish, signal.SIGINT)
            took = time.monotonic() - started
        assert (await slow).status_code == 504
    assert code == 0
    assert took < 6
    await asyncio.to_thread(_wait_until_empty, tmp_path)
    assert not any("Traceback" in line for line in demo.lines)
    for port in ports:
        assert port is not None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()


async def test_neither_the_services_nor_the_file_of_keys_outlive_a_killed_demo(tmp_path: Path) -> None:
    demo = Demo("--port", "0", "--admin-port", "0", temporary=tmp_path)
    demo.wait_until_ready()
    connections = [await asyncio.open_connection("127.0.0.1", port) for port in demo.instance_ports.values()]
    await asyncio.to_thread(demo.finish, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        for reader, writer in connections:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
    for port in demo.instance_ports.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
    await asyncio.to_thread(_wait_until_empty, tmp_path)


def test_a_signal_before_the_gateway_runs_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = Demo("--port", "0", "--admin-port", "0", temporary=tmp_path)
    patience = time.monotonic() + PATIENCE
    while not list(tmp_path.iterdir()):
        assert time.monotonic() < patience
    assert demo.finish(signal.SIGTERM) == 0
    _wait_until_empty(tmp_path)


def test_the_services_can_be_terminated_by_themselves(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "api_gateway.server.demo.instances"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        keys_file = Path(json.loads(process.stdout.readline())["keys_file"])
        assert keys_file.parent.stat().st_mode & 0o777 == 0o700
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert not list(tmp_path.iterdir())


def test_started_by_hand_the_services_listen_where_they_are_told_and_name_two_tokens() -> None:
    first = _first_of_free_ports()
    with subprocess.Popen(
        [sys.executable, "-m", "api_gateway.server.demo.instances", str(first)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        try:
            assert list(said["ports"].items()) == [(name, first + at) for at, name in enumerate(instance_names())]
            assert [*said] == ["ports", "tokens"]
            with httpx.Client(base_url=f"http://127.0.0.1:{said['ports'][f'{PROVIDER}-1']}") as client:
                asked = {"token": said["tokens"]["anna"]}
                answer = client.post("/introspect", data=asked, auth=(GATEWAY.id, GATEWAY.secret))
            assert (answer.json()["active"], answer.json()["sub"]) == (True, "anna")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0


def _first_of_free_ports() -> int:
    """Of as many in a row as there are instances, below those that the system hands out."""
    for first in range(20_000, 30_000, 100):
        try:
            for opened in listen(first).values():
                opened.close()
        except OSError:
            continue
        return first
    raise AssertionError("there are no free ports")


def _files(directory: Path) -> list[str]:
    return [file.name for file in directory.rglob("*") if file.is_file()]


def _wait_until_empty(directory: Path) -> None:
    patience = time.monotonic() + PATIENCE
    while list(directory.iterdir()):
        assert time.monotonic() < patience


def _admin(demo: Demo, client: httpx.Client, page: str) -> str:
    response = client.get(demo.wait_until_ready()[1] + page)
    assert response.status_code == 200
    return response.text


def _welcome(ports: dict[str, int], *, colour: bool) -> str:
    gateway, admin = "http://127.0.0.1:65535", "http://127.0.0.1:65534"
    return welcome(gateway, admin, ports, "gw_" + "0" * 77, {"anna": "0" * 64, "ben": "1" * 64}, colour=colour)
