import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.processes import Processes, StartFailedError, free_port

FOR_EVER = "import signal; signal.pause()"


def test_a_child_ends_with_the_block() -> None:
    with Processes() as processes:
        child = processes.start("sleeper", [sys.executable, "-c", FOR_EVER], None)
        folder = processes.folder
        assert child.popen.poll() is None
    assert child.popen.returncode is not None
    assert not folder.exists()


def test_a_child_ends_when_the_block_fails() -> None:
    with suppress(KeyboardInterrupt), Processes() as processes:
        child = processes.start("sleeper", [sys.executable, "-c", FOR_EVER], None)
        raise KeyboardInterrupt
    assert child.popen.returncode is not None


def test_a_child_that_ignores_the_request_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.STOP_TIMEOUT", 0.1)
    deaf = (
        "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    )
    with Processes() as processes:
        ready = processes.folder / "ready"
        child = processes.start("deaf", [sys.executable, "-c", deaf, str(ready)], None)
        while not ready.exists():
            assert child.popen.poll() is None
    assert child.popen.returncode == -9


def test_what_a_child_left_behind_is_killed_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    holder = f"import signal; held = open({str(pipe)!r}, 'wb'); signal.pause()"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {holder!r}])"
    with Processes() as processes:
        child = processes.start("parent", [sys.executable, "-c", parent], None)
        reader = pipe.open("rb")  # returns when the grandchild has opened its end
        assert child.popen.wait(10) == 0
    with reader:
        assert reader.read() == b""  # the end comes when nobody holds the other side any more


def test_a_child_that_ends_before_it_answers_is_reported_in_its_own_words() -> None:
    with Processes() as processes:
        child = processes.start("broken", [sys.executable, "-c", "raise SystemExit('no such setting')"], None)
        with pytest.raises(StartFailedError, match="broken ended with code 1: no such setting"):
            child.wait_until_it_answers(free_port(), "/")


def test_a_child_that_never_answers_is_reported_with_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.START_TIMEOUT", 0.1)
    with Processes() as processes:
        child = processes.start("silent", [sys.executable, "-c", FOR_EVER], None)
        with pytest.raises(StartFailedError, match=r"silent is not ready: .*; it said nothing"):
            child.wait_until_it_answers(free_port(), "/")


def test_the_origin_answers_and_its_cost_is_known() -> None:
    port = free_port()
    with Processes() as processes:
        child = processes.start("origin", [sys.executable, "-m", "benchmarks.origin", str(port)], None)
        child.wait_until_it_answers(port, "/anything")
        if Path("/proc/self/stat").exists():
            assert child.cpu_seconds() is not None
            resident = child.resident_bytes()
            assert resident is not None
            assert resident > 2**20


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass
