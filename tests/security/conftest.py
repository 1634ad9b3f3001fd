"""One gateway for many attacks: building it takes longer than most of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.security_rig import Rig, build_rig, configuration, rig


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A gateway that is never started: it needs no loop of its own, so all tests can share it."""
    return build_rig(configuration(tmp_path_factory.mktemp("rig")))


@pytest.fixture
def gateway(built: Rig) -> Rig:
    """The shared gateway, whose services have seen nothing yet."""
    built.forget()
    return built


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway of the test's own, started: for sockets, and where the clock moves."""
    async with rig(tmp_path) as made:
        yield made
