from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.valkey import Valkey, valkey


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def server(shared_server: Valkey) -> Valkey:
    """A running server without keys or scripts; whoever stops one starts its own."""
    shared_server.command("FLUSHALL")
    shared_server.command("SCRIPT", "FLUSH")
    shared_server.command("CONFIG", "RESETSTAT")
    return shared_server
