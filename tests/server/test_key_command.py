"""`api-gateway key`: what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.api_key import LONGEST_KEY, ApiKeyAuthenticator, key_digest, new_key
from api_gateway.auth.key_file import KeyRecords, parse_keys, watched_keys
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.server import key_command
from api_gateway.server.key_command import add_key_commands

NOW = 1_798_761_600.0  # 2027-01-01T00:00:00Z
KEY_LINE = re.compile(r"gw_[0-9a-f]{12}_[0-9a-f]{64}")
OLD_HASH = "sha256:" + "5a" * 32
OLD = f"""\
# Keys of the shop. Ask Anna before you remove one.
keys:
  - id: "old1"          # the first
    hash: {OLD_HASH}
    owner: shop
    scopes:
      - orders:read
    expires: 2026-01-01T00:00:00Z
  - id: old2
    hash: {OLD_HASH}
    owner: warehouse
    disabled: true      # since March
"""


class Loader(yaml.SafeLoader):
    """Times stay texts, as with the gateway's own loader."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML declares it so
        first: [(tag, expression) for tag, expression in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(path: Path) -> object:
    try:
        return yaml.load(path.read_bytes(), Loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: not YAML; correct the syntax") from None


def run(*arguments: object) -> int:
    """The commands as the command line runs them; raises what it puts into words."""
    parser = argparse.ArgumentParser(prog="key")
    add_key_commands(parser, load, ManualClock(wall=NOW))
    options = parser.parse_args([str(argument) for argument in arguments])
    code = options.command(options)
    assert isinstance(code, int)
    return code


def records_in(path: Path) -> KeyRecords:
    return parse_keys(load(path), str(path))


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.yaml"
    path.write_text(OLD)
    path.chmod(0o600)
    return path


# new


def test_a_key_is_printed_once_and_its_entry_below(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("new", "--owner", "shop", "--scopes", "a,b", "--roles", "r", "--tier", "gold", "--expires", "90d") == 0
    out, err = capsys.readouterr()
    key = out.splitlines()[0]
    identifier, secret = key.split("_")[1:]
    assert KEY_LINE.fullmatch(key)
    assert out.count(secret) == 1
    assert out.splitlines()[1:] == [
        "",
        f'  - id: "{identifier}"',
        f"    hash: sha256:{key_digest(key.encode()).hex()}",
        '    owner: "shop"',
        '    scopes: ["a", "b"]',
        '    roles: ["r"]',
        '    tier: "gold"',
        "    expires: 2027-04-01T00:00:00Z",
    ]
    assert err == ""


def test_what_was_not_asked_for_is_not_in_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    run("new", "--owner", "shop")
    assert [line.split(":")[0].strip(" -") for line in capsys.readouterr().out.splitlines()[2:]] == [
        "id",
        "hash",
        "owner",
    ]


def test_with_a_file_the_key_alone_is_on_stdout_and_lets_its_owner_in(
    keys_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("new", "--owner", "shop", "--expires", "1h", "--keys-file", keys_file)
    out, err = capsys.readouterr()
    key = out.removesuffix("\n")
    assert KEY_LINE.fullmatch(key)
    assert len(key) <= LONGEST_KEY
    assert err == f"the key {key.split('_')[1]} is in {keys_file}; it is not shown again\n"
    assert key.split("_")[2] not in keys_file.read_text()
    authenticator = ApiKeyAuthenticator(watched_keys(keys_file, load), ManualClock(wall=NOW))
    request = Request("GET", "/", {"x-api-key": key})
    identity = asyncio.run(authenticator.authenticate(request, RequestContext()))
    assert identity is not None
    assert (identity.consumer, identity.expires) == ("shop", NOW + 3600)


def test_what_stood_in_the_file_stays_to_the_letter(keys_file: Path) -> None:
    run("new", "--owner", "shop", "--keys-file", keys_file)
    text = keys_file.read_text()
    assert text.startswith(OLD)
    assert list(records_in(keys_file))[:2] == ["old1", "old2"]
    assert len(records_in(keys_file)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# nothing yet",
        "# nothing yet\n",
        "keys:",
        "keys: # soon\n",
        "# mine\nkeys: []\n",
        "keys: [ ]  # none",
        "keys: null\n",
        f"keys:\n- id: a\n  hash: {OLD_HASH}\n  owner: b",
        f"keys:\n-   id: a\n    hash: {OLD_HASH}\n    owner: b\n\n# the end",
        f"keys:\r\n      - id: a\r\n        hash: {OLD_HASH}\r\n        owner: b\r\n",
        f"keys:\n  - {{id: a, hash: {OLD_HASH}, owner: b}}\n",
        f"keys:\n  -\n    id: a\n    hash: {OLD_HASH}\n    owner: b\n",
        OLD,
    ],
)
def test_an_entry_can_be_appended_to_any_file_in_lines(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_bytes(text.encode())
    has_entries = "id:" in text
    before = list(records_in(path)) if has_entries else []
    for owner in ("one", "two"):
        run("new", "--owner", owner, "--keys-file", path)
    after = records_in(path)
    assert list(after)[: len(before)] == before
    assert [record.identity.consumer for record in after.values()][len(before) :] == ["one", "two"]
    assert all(line in path.read_text() for line in text.splitlines() if line.startswith("#"))


def test_a_file_that_is_not_there_is_made_for_its_maker_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    run("new", "--owner", "shop", "--keys-file", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [record.identity.consumer for record in records_in(path).values()] == ["shop"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_the_rights_of_the_file_stay_as_they_are(mode: int, keys_file: Path) -> None:
    keys_file.chmod(mode)
    run("new", "--owner", "shop", "--keys-file", keys_file)
    assert stat.S_IMODE(keys_file.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_of_the_file_stays_who_it_is(keys_file: Path) -> None:
    os.chown(keys_file, 12345, 23456)
    run("new", "--owner", "shop", "--keys-file", keys_file)
    assert (keys_file.stat().st_uid, keys_file.stat().st_gid) == (12345, 23456)


def test_a_link_stays_a_link(keys_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(keys_file)
    run("new", "--owner", "shop", "--keys-file", link)
    assert link.is_symlink()
    assert len(records_in(keys_file)) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys: [", "not YAML"),
        ("keys: {}\n", "keys.yaml: keys: expected a list"),
        ("keys:\n  - id: a\n", "hash: it is missing"),
        (OLD.replace("old2", "old1"), r"keys\[0\] has the same"),
        ("keys:\n  - id: \xff\n", "not YAML|not UTF-8"),
    ],
)
def test_a_file_with_a_mistake_is_refused_and_left_alone(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=said):
        run("new", "--owner", "shop", "--keys-file", path)
    assert path.read_bytes() == text.encode("latin-1")
    assert os.listdir(tmp_path) == ["keys.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        f"keys: [{{id: a, hash: {OLD_HASH}, owner: b}}]\n",
        f"keys:\n  - id: a\n    hash: {OLD_HASH}\n    owner: b\n...\n",
        f"{{keys: [{{id: a, hash: {OLD_HASH}, owner: b}}]}}\n",
    ],
)
def test_a_file_of_another_form_is_left_alone_and_no_key_is_printed(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    assert list(records_in(path)) == ["a"], "there is nothing wrong with it"
    with pytest.raises(ConfigurationError, match="nothing can be appended to a file of this form; write one '- id:'"):
        run("new", "--owner", "shop", "--keys-file", path)
    assert path.read_text() == text
    assert os.listdir(tmp_path) == ["keys.yaml"]
    assert capsys.readouterr().out == ""


def test_of_two_commands_at_once_one_is_told_so(keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = keys_file.with_name(".keys.yaml.new")
    other.write_text("the other's")
    with pytest.raises(ConfigurationError, match="another such command is at work; try again"):
        run("new", "--owner", "shop", "--keys-file", keys_file)
    assert other.read_text() == "the other's"
    assert keys_file.read_text() == OLD
    assert capsys.readouterr().out == ""


def test_a_lock_taken_right_after_the_rename_is_not_taken_away(
    keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace
    other = keys_file.with_name(".keys.yaml.new")

    def replace_and_lock(source: Path, target: Path) -> None:
        replace(source, target)
        other.write_text("the next command's")

    monkeypatch.setattr(os, "replace", replace_and_lock)
    run("new", "--owner", "shop", "--keys-file", keys_file)
    assert other.exists()


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_whatever_stops_it_leaves_the_file_as_it_was(
    step: str,
    error: BaseException,
    keys_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, stop)
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ConfigurationError) as raised:
            run("new", "--owner", "shop", "--keys-file", keys_file)
    if isinstance(error, OSError):
        assert str(raised.value) == f"{keys_file}: No space left on device; check the name and the rights"
    assert keys_file.read_text() == OLD
    assert os.listdir(keys_file.parent) == ["keys.yaml"]
    assert capsys.readouterr().out == "", "no key is shown that no file knows"


@pytest.mark.parametrize("name", ["missing/keys.yaml", ".", ""])
def test_a_name_that_cannot_be_written_is_told_in_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"No such file or directory|Is a directory"):
        run("new", "--owner", "shop", "--keys-file", name)
    assert os.listdir(tmp_path) == []


def test_a_time_that_has_passed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--expires: 2027-01-01T00:00:00Z has passed; choose a later time"):
        run("new", "--owner", "shop", "--expires", "2027-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new"], "--owner"),
        (["new", "--owner", ""], "argument --owner: is empty, too long, or holds a control character"),
        (["new", "--owner", "a\nb"], "argument --owner: is empty, too long, or holds a control character"),
        (["new", "--owner", "a", "--tier", "x" * 600], "argument --tier: is empty, too long"),
        (["new", "--owner", "a", "--scopes", "a b"], "argument --scopes: 'a b' is not a list such as orders:read"),
        (["new", "--owner", "a", "--scopes", "a,,b"], "argument --scopes: 'a,,b' is not a list"),
        (["new", "--owner", "a", "--roles", ""], "argument --roles: '' is not a list"),
        (
            ["new", "--owner", "a", "--expires", "0d"],
            "argument --expires: '0d' is neither a duration nor a time; write",
        ),
        (["new", "--owner", "a", "--expires", "100000d"], "argument --expires: '100000d' is neither"),
        (["new", "--owner", "a", "--expires", "2027-01-01"], "argument --expires: '2027-01-01' is neither"),
        (["list"], "--keys-file"),
        ([], "COMMAND"),
    ],
)
def test_a_wrong_command_line_is_told_in_words(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


PARSER = argparse.ArgumentParser()
add_key_commands(PARSER, load, ManualClock(wall=NOW))  # once: it takes longer than an example


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cn", "Cs", "Zl", "Zp"]), min_size=1, max_size=20),
    st.lists(st.from_regex(r"[!-~]{1,8}", fullmatch=True).filter(lambda w: not set(w) & set('",\\')), max_size=3),
)
def test_whatever_may_be_a_name_comes_back_from_the_entry(owner: str, scopes: list[str]) -> None:
    granted = [f"--scopes={','.join(scopes)}"] if scopes else []
    options = PARSER.parse_args(["new", f"--owner={owner}", *granted])
    entry = key_command._entry(new_key(), options, None)
    document = yaml.load("keys:\n" + key_command._indented(entry, 2), Loader)
    (record,) = parse_keys(document, "entry").values()
    assert record.identity.consumer == owner
    assert record.identity.scopes == frozenset(scopes)


def test_a_name_that_yaml_cannot_hold_is_not_written(keys_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing can be appended"):
        run("new", "--owner", "a\uffff", "--keys-file", keys_file)
    assert keys_file.read_text() == OLD


def test_a_terminal_without_the_letters_gets_escapes_that_yaml_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="ascii") as output:
        monkeypatch.setattr("sys.stdout", output)
        run("new", "--owner", "Ольга")
    key, _, entry = path.read_text().partition("\n\n")
    (record,) = parse_keys(yaml.load("keys:\n" + entry, Loader), "entry").values()
    assert record.identity.consumer == "Ольга"
    assert record.digest == key_digest(key.encode())


# list


def test_the_list_has_all_but_the_hashes(keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{OLD}  - {{id: k3, hash: {OLD_HASH}, owner: new, tier: gold, expires: 2027-06-01T00:00:00+02:00}}\n"
    keys_file.write_text(text)
    assert run("list", "--keys-file", keys_file) == 0
    assert capsys.readouterr().out.splitlines() == [
        "id    owner      scopes       tier  expires               state",
        "old1  shop       orders:read  -     2026-01-01T00:00:00Z  expired",
        "old2  warehouse  -            -     never                 disabled",
        "k3    new        -            gold  2027-05-31T22:00:00Z  active",
    ]


def test_a_list_of_nothing_is_its_heading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("keys: []\n")
    assert run("list", "--keys-file", path) == 0
    assert capsys.readouterr().out == "id  owner  scopes  tier  expires  state\n"


@pytest.mark.parametrize("text", [None, "keys: [", f"keys:\n  - {{id: a, hash: {OLD_HASH}x, owner: b}}\n"])
def test_a_list_of_a_broken_file_says_what_is_wrong_and_no_hash(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        run("list", "--keys-file", path)
    assert str(error.value).startswith(f"{path}:")
    assert OLD_HASH.removeprefix("sha256:") not in str(error.value)
