import subprocess
from pathlib import Path

import pytest

from benchmarks.machine import tool
from benchmarks.processes import free_port
from benchmarks.proxies.nginx import command

NGINX = tool("nginx")


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    assert NGINX is not None
    arguments = command(NGINX, tmp_path, free_port(), "http://127.0.0.1:9001")
    checked = subprocess.run([*arguments, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


def test_everything_nginx_writes_is_in_the_folder(tmp_path: Path) -> None:
    command("nginx", tmp_path, 8080, "http://127.0.0.1:9001")
    configuration = (tmp_path / "nginx" / "nginx.conf").read_text()
    places = [line.split()[1] for line in configuration.splitlines() if "_temp_path" in line or line.startswith("pid")]
    assert len(places) == 6
    assert all(place.startswith(str(tmp_path)) for place in places)
