"""Listening sockets, and what is said where there is none."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from api_gateway.server.sockets import CannotListen, base_url, listen, listen_unix


def test_port_0_is_a_port_of_the_systems_choice() -> None:
    with listen("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert base_url(listener) == f"http://{host}:{port}"
        with socket.create_connection((host, port)):
            pass


def test_a_name_is_resolved() -> None:
    with listen("localhost", 0) as listener, socket.create_connection(("localhost", listener.getsockname()[1])):
        assert not listener.get_inheritable()


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 address")
def test_an_ipv6_address_stands_in_brackets() -> None:
    with listen("::1", 0) as listener:
        port = listener.getsockname()[1]
        assert base_url(listener) == f"http://[::1]:{port}"
        with pytest.raises(CannotListen, match=rf"^cannot listen on \[::1\]:{port}: the address is in use"):
            listen("::1", port)


def test_a_port_is_free_again_at_once_after_its_connections_were_closed() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.setblocking(True)
            accepted, _ = listener.accept()
            accepted.close()  # first to close: this side keeps the connection in TIME_WAIT
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "cause", "option"),
    [
        ("no-such-host.invalid", "the host name cannot be resolved", "--host"),
        ("192.0.2.1", "this machine has no such address", "--host"),
        ("a..b", "the host name cannot be resolved", "--host"),
        ("x" * 300, "the host name cannot be resolved", "--host"),
    ],
)
def test_a_host_that_cannot_be_had_is_said_in_one_line(host: str, cause: str, option: str) -> None:
    with pytest.raises(CannotListen) as refusal:
        listen(host, 8080)
    assert str(refusal.value) == f"cannot listen on {host}:8080: {cause}; choose another with {option}"


def test_the_remedy_for_the_admin_address_names_its_own_option() -> None:
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(CannotListen, match=r"in use; choose another with --admin-port$"),
    ):
        listen("127.0.0.1", taken.getsockname()[1], options="--admin-")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen on any port")
def test_a_port_for_administrators_is_said_to_be_one() -> None:
    with pytest.raises(CannotListen, match=r"the system does not permit this port; choose another with --port$"):
        listen("127.0.0.1", 1)


def test_a_unix_socket_takes_the_place_of_one_left_behind(tmp_path: Path) -> None:
    path = Path(os.path.relpath(tmp_path)) / "s"  # the whole path may be too long for a socket
    listen_unix(path).close()
    with listen_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
