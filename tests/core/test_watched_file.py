"""Watched file: in virtual time, on real files."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.watched_file import WatchedFile
from api_gateway.simulation import run


def number_in(path: Path) -> int:
    text = path.read_text()
    if not text.isdigit():
        raise ConfigurationError(f"{path}: {text!r} is not a number: write digits")
    return int(text)


def watched(path: Path) -> WatchedFile[int]:
    return WatchedFile([path], lambda: number_in(path), every=2.0)


def test_a_change_is_loaded_while_running(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("1")

    async def main() -> None:
        file = watched(path)
        await file.start()
        path.write_text("22")
        assert file.value == 1
        await asyncio.sleep(2.1)
        assert (file.value, file.reloads, file.failures) == (22, 1, 0)
        await file.close()
        path.write_text("333")
        await asyncio.sleep(10)
        assert file.value == 22

    run(main)


@pytest.mark.parametrize("spoil", ["write", "remove"])
def test_what_cannot_be_loaded_changes_nothing_but_the_log_once(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "number"
    path.write_text("1")

    async def main() -> None:
        file = watched(path)
        await file.start()
        if spoil == "write":
            path.write_text("half")
        else:
            path.unlink()
        await asyncio.sleep(20)
        assert (file.value, file.failures) == (1, 1)
        path.write_text("44")
        await asyncio.sleep(2.1)
        assert (file.value, file.reloads) == (44, 1)
        await file.close()

    with caplog.at_level(logging.ERROR, "api_gateway.files"):
        run(main)
    assert len(caplog.records) == 1


def test_a_defect_in_the_loader_does_not_end_the_watch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "number"
    path.write_text("1")
    file = WatchedFile([path], lambda: 12 // int(path.read_text()))
    path.write_text("00")
    file.look()
    assert (file.value, file.failures) == (12, 1)
    assert "ZeroDivisionError" in caplog.text
    path.write_text("004")
    file.look()
    assert file.value == 3


def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "link"
    old.write_text("1")
    new.write_text("2")
    link.symlink_to(old)
    file = watched(link)
    spare = tmp_path / "spare"
    spare.symlink_to(new)
    os.replace(spare, link)
    file.look()
    assert file.value == 2


def test_the_first_load_must_succeed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*number: No such file"):
        watched(tmp_path / "number")
    (tmp_path / "number").write_text("x")
    with pytest.raises(ConfigurationError, match="is not a number"):
        watched(tmp_path / "number")


def test_starting_and_closing_twice_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("1")

    async def main() -> None:
        file = watched(path)
        await file.close()
        await file.start()
        await file.start()
        await file.close()
        await file.close()
        assert len(asyncio.all_tasks()) == 1

    run(main)
