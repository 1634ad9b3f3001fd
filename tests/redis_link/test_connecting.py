"""From URL to connection, and one clear error where there is none."""

from __future__ import annotations

import pytest

from api_gateway.rate_limiting.redis import StoreFailed
from api_gateway.redis_link.connecting import ServerAddress
from tests.support.sockets import full_backlog, refused_port
from tests.support.valkey import Valkey, valkey


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://limits.internal", "redis://limits.internal:6379/0"),
        ("redis://user:hunter2@limits.internal:7000/3", "redis://limits.internal:7000/3"),
        ("rediss://:hunter2@limits.internal/?ssl_check_hostname=true", "rediss://limits.internal:6379/0"),
        ("unix://:hunter2@/run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_password(url: str, shown: str) -> None:
    assert ServerAddress(url).shown == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "redis://:hunter2@host/?surprise=1",
        "",
        "redis://h:99999999",
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="not a usable URL") as refusal:
        ServerAddress(url)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__suppress_context__


async def test_a_connection_is_one_that_can_write(server: Valkey) -> None:
    connection = await ServerAddress(server.url).connect("{t}:probe", 5.0)
    await connection.disconnect()
    assert server.command("EXISTS", "{t}:probe") == 1
    assert 0 < server.command("PTTL", "{t}:probe") <= 1000


async def test_options_of_the_url_hold_but_those_that_are_ours_do_not(server: Valkey) -> None:
    url = f"{server.url.removesuffix('/0')}/5?client_name=gateway&socket_timeout=0.001&protocol=3"
    connection = await ServerAddress(url).connect("{t}:probe", 5.0)
    assert "name=gateway" in str(server.command("CLIENT", "LIST"))
    assert connection.socket_timeout is None
    await connection.disconnect()
    assert server.command("EXISTS", "{t}:probe") == 0, "that is database 0"


async def test_a_wrong_password_is_said_and_not_repeated() -> None:
    with valkey() as server:
        server.protect("right")
        for password, said in (("hunter2", "invalid username-password pair"), ("", "Authentication required")):
            url = f"redis://:{password}@127.0.0.1:{server.port}"
            with pytest.raises(StoreFailed, match=said) as refusal:
                await ServerAddress(url).connect("{t}:probe", 5.0)
            assert "hunter2" not in str(refusal.value)
        await (await ServerAddress(server.url).connect("{t}:probe", 5.0)).disconnect()


async def test_nobody_there_and_no_answer_are_said() -> None:
    with pytest.raises(StoreFailed, match="connecting to 127"):
        await ServerAddress(f"redis://127.0.0.1:{refused_port()}").connect("{t}:probe", 5.0)
    with full_backlog() as port:
        if port is None:
            pytest.skip("this system lets every connection wait in line")
        with pytest.raises(StoreFailed, match=r"no connection within 0\.1 s"):
            await ServerAddress(f"redis://127.0.0.1:{port}").connect("{t}:probe", 0.1)
    with pytest.raises(StoreFailed, match=r"host\.invalid"):
        await ServerAddress("redis://host.invalid").connect("{t}:probe", 5.0)


async def test_a_server_that_takes_no_writes_is_not_connected_to(server: Valkey) -> None:
    server.command("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StoreFailed, match="memory"):
            await ServerAddress(server.url).connect("{t}:probe", 5.0)
    finally:
        server.command("CONFIG", "SET", "maxmemory", "0")
