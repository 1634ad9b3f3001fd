"""Network list: what a file may say, and where it is wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.network_list import network_list


def holds(file: Path, text: str, address: str) -> bool:
    file.write_text(text, encoding="utf-8")
    return address in network_list((), file).value


@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.0/24",
        "  192.0.2.7  ",
        "\t192.0.2.0/24\t# why",
        "192.0.2.0/24;SBL1",
        "192.0.2.0/24\r",
        "::ffff:192.0.2.0/120",
        "# a comment \N{SNOWMAN}\n\n192.0.2.0/24",
    ],
)
def test_a_line_is_a_network_and_perhaps_a_comment(tmp_path: Path, line: str) -> None:
    assert holds(tmp_path / "list", f"198.51.100.0/24\n{line}\n", "192.0.2.7")


def test_the_mark_that_some_editors_begin_a_file_with_is_no_mistake(tmp_path: Path) -> None:
    assert holds(tmp_path / "list", "\ufeff192.0.2.0/24\n", "192.0.2.7")


def test_the_networks_of_the_configuration_and_of_the_file_are_one_list(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("192.0.2.0/24\n")
    networks = network_list(["10.0.0.0/8"], tmp_path / "list").value
    assert len(networks) == 2
    assert "10.1.1.1" in networks
    assert "192.0.2.1" in networks


def test_an_empty_file_holds_nobody(tmp_path: Path) -> None:
    assert not holds(tmp_path / "list", "# nothing yet\n", "192.0.2.1")


@pytest.mark.parametrize("line", ["10.0.0.1/8", "10.0.0.0/8 10.1.0.0/16", "example.com", "10.0.0.0 /8", "\N{SNOWMAN}"])
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "list"
    file.write_text(f"# first\n192.0.2.0/24\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        network_list((), file)
    assert str(error.value).startswith(f"{file}:3: {line!r} is not an IP network; ")


def test_a_long_line_is_shown_in_part(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("x" * 100_000)
    with pytest.raises(ConfigurationError) as error:
        network_list((), tmp_path / "list")
    assert len(str(error.value)) < 400


def test_bytes_that_are_no_text_are_a_mistake_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\xff\xfe1\x000\x00")
    with pytest.raises(ConfigurationError, match=r"list:1: "):
        network_list((), tmp_path / "list")


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*list: No such file"):
        network_list((), tmp_path / "list")


def test_what_is_no_network_in_the_configuration_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.1/8"):
        network_list(["10.0.0.1/8"])


@given(st.binary(max_size=200))
def test_no_file_makes_it_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed-list"
    file.write_bytes(content)
    with suppress(ConfigurationError):
        network_list((), file)
