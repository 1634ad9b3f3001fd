"""The demo, as its user meets it: a process, its terminal, its ports.

What the screen promises is read off the screen and then tried, so text and truth cannot drift.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.config.load import load_config
from api_gateway.config.schema import GatewayConfig
from api_gateway.server.demo.catalogue import JOURNEY
from api_gateway.server.demo.configuration import ROUTES, demo_configuration
from api_gateway.server.demo.instances import INSTANCES, instance_names, listen
from api_gateway.server.demo.instances import main as run_instances
from api_gateway.server.demo.shop import open_shop
from api_gateway.server.demo.welcome import suggestions, welcome

PATIENCE = 20.0
EXAMPLE = Path(__file__).parents[2] / "examples" / "demo.yaml"
READY = re.compile(r"ready: gateway (http://\S+) admin (http://\S+)")
COMMANDS = 6


class Demo:
    """A running demo; reads what it prints."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api_gateway", "demo", *arguments],
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
def printed(demo: Demo) -> list[Printed]:
    lines = demo.lines
    numbered = [index for index, line in enumerate(lines) if re.match(r"  \d  \S", line)]
    return [Printed(lines[index].strip()[1:].strip(), lines[index + 1].strip()) for index in numbered]


def as_json(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


# What the screen says.


def test_six_commands_are_printed_for_the_address_that_listens(printed: list[Printed], gateway: str) -> None:
    assert len(printed) == COMMANDS
    assert all(one.url.startswith(gateway + "/") for one in printed)


def test_the_map_shows_every_route_and_every_instance(demo: Demo) -> None:
    for route in ROUTES:
        assert any(line.split()[:2] == [route.path, route.service] for line in demo.lines)
    assert list(demo.instance_ports) == instance_names()
    assert {2, 3} == set(INSTANCES.values())
    assert len(INSTANCES) == 7


def test_an_instance_answers_on_the_port_that_the_map_shows(demo: Demo, client: httpx.Client) -> None:
    for name, port in demo.instance_ports.items():
        assert client.get(f"http://127.0.0.1:{port}/").headers["x-served-by"] == name


def test_the_screen_fits_80_columns_but_for_the_loops() -> None:
    ports = dict.fromkeys(instance_names(), 65535)
    wide = [line for line in _welcome(ports, colour=False).splitlines() if len(line) > 80]
    assert len(wide) == 2
    assert all("for i in" in line for line in wide)


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
    def get(path: str) -> Any:
        return as_json(client.get(f"{gateway}/api{path}"))

    orders = get("/orders")
    assert len(orders) == 60
    for order in orders:
        assert get(f"/users/{order['user_id']}")["name"]
        assert get(f"/payments/{order['id']}")["amount_cents"] == order["total_cents"]
        assert get(f"/shipments/{order['id']}")["order_id"] == order["id"]
    for product_id in {item["product_id"] for order in orders for item in order["items"]}:
        assert get(f"/products/{product_id}")["title"]


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
    expected = GatewayConfig.model_validate(demo_configuration("127.0.0.1", 8080, 9901, ports))
    assert load_config(EXAMPLE, {}) == expected


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


async def test_ctrl_c_ends_everything_soon_and_in_silence() -> None:
    demo = Demo("--port", "0", "--admin-port", "0")
    gateway, admin = demo.wait_until_ready()
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
    assert not any("Traceback" in line for line in demo.lines)
    for port in ports:
        assert port is not None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()


async def test_the_services_do_not_outlive_a_killed_demo() -> None:
    demo = Demo("--port", "0", "--admin-port", "0")
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


def _welcome(ports: dict[str, int], *, colour: bool) -> str:
    assert len(suggestions("http://127.0.0.1:65535")) == COMMANDS
    return welcome("http://127.0.0.1:65535", "http://127.0.0.1:65534", ports, colour=colour)
