from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.http1_client import Http1Client, http1_client


@pytest.fixture
async def client() -> AsyncIterator[Http1Client]:
    async with http1_client() as client:
        yield client
