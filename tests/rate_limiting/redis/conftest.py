from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.valkey import Valkey, valkey


@pytest.fixture(scope="session")
def _shared_server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def server(_shared_server: Valkey) -> Valkey:
    """A running server without keys or scripts; whoever stops one starts its own."""
    _shared_server.command("FLUSHALL")
    _shared_server.command("SCRIPT", "FLUSH")
    _shared_server.command("CONFIG", "RESETSTAT")
    return _shared_server
