"""`explain --send`: a real request to a real service, and its X-ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_gateway.server.cli import main
from tests.support.sockets import refused_port


def test_a_refused_connection_is_told_with_the_service_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = refused_port()
    path = tmp_path / "gateway.yaml"
    path.write_text(
        f"services: {{users: {{endpoints: ['http://127.0.0.1:{port}']}}}}\n"
        "middleware: [{rate_limit: {algorithm: token_bucket, rate: 1/min, burst: 2}}]\n"
        "routes: [{path: /users/*, service: users}]\n"
    )
    assert main(["explain", str(path), "GET", "/users/1", "--send"]) == 0
    out = capsys.readouterr().out
    assert "\nGET /users/1 -> 502 in " in out
    assert f"backend service users: raised ConnectFailed (502): 127.0.0.1:{port}" in out

    assert main(["explain", str(path), "GET", "/users/1", "--send", "3"]) == 0
    out = capsys.readouterr().out
    assert "\nGET /users/1 -> 429 in " in out
    assert "rate limit: raised RateLimited (429)" in out
    assert "backend service" not in out


@pytest.mark.parametrize("times", ["0", "x", "-1", "1000000"])
def test_a_number_of_times_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str], times: str) -> None:
    assert main(["explain", "c", "GET", "/", f"--send={times}"]) == 2
    assert f"'{times}' is not a number of times from 1 to 100000" in capsys.readouterr().err
