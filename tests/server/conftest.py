"""One gateway for all that the cache must conform to: each case has paths of its own, and a process takes a second."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.cache_cases import Rig, cache_rig


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def rig() -> AsyncIterator[Rig]:
    """For tests that run in the loop of the session, and leave the gateway as it was."""
    async with cache_rig() as running:
        yield running
