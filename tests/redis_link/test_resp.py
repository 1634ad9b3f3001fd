from __future__ import annotations

from api_gateway.redis_link.resp import command
from tests.support.valkey import Valkey


def test_a_command_is_what_the_protocol_says() -> None:
    assert command("SET", b"\r\n$1", 12) == b"*3\r\n$3\r\nSET\r\n$4\r\n\r\n$1\r\n$2\r\n12\r\n"


def test_length_is_that_of_the_bytes_and_not_of_the_letters() -> None:
    assert command("\u00e4") == b"*1\r\n$2\r\n\xc3\xa4\r\n"


def test_the_server_reads_it(server: Valkey) -> None:
    with server.client() as client:
        connection = client.connection_pool.get_connection()
        connection.send_packed_command([command("SET", "odd\r\n", "\u00e4 1"), command("GET", "odd\r\n")])
        assert connection.read_response() == b"OK"
        assert connection.read_response() == "\u00e4 1".encode()
        client.connection_pool.release(connection)
