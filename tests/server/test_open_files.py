"""Open files: asked for once, in a process of its own, because nobody gives a hard limit back."""

from __future__ import annotations

import subprocess
import sys

import pytest


def allowed(soft: int, hard: int, max_connections: int, warn: bool = True) -> tuple[int, str]:
    """The limit afterwards, and what was logged."""
    script = (
        "import logging, resource, sys\n"
        "from api_gateway.server.open_files import allow_open_files\n"
        "logging.basicConfig(stream=sys.stderr, format='%(message)s')\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"allow_open_files({max_connections}, warn={warn})\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return int(finished.stdout), finished.stderr


@pytest.mark.parametrize(
    ("soft", "max_connections", "limit"),
    [
        pytest.param(300, 500, 1256, id="raised to what is needed"),
        pytest.param(1500, 500, 1500, id="never lowered"),
    ],
)
def test_as_many_files_may_be_opened_as_connections_need(soft: int, max_connections: int, limit: int) -> None:
    assert allowed(soft, 2000, max_connections) == (limit, "")


def test_a_system_that_grants_less_is_said_with_the_remedy() -> None:
    limit, said = allowed(300, 1000, 10_000)
    assert limit == 1000
    assert "allows 1000" in said
    assert "lower max_connections to 372" in said


def test_nothing_is_said_of_a_limit_that_nobody_asked_for() -> None:
    assert allowed(300, 1000, 10_000, warn=False) == (1000, "")
