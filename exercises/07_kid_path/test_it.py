"""A name finds a key of the folder, or nothing."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from broken import KeyFolder

OURS = {"2026-01": b"our key of January", "partner.eu": b"our partner's key"}
THEIRS = b"the attacker's key"


def asked(*kids: str) -> list[bytes | None]:
    """What a folder with two keys answers, beside folders in which others may write."""
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in ("keys", "keys/old", "keys-of-others", "uploads"):
            (root / name).mkdir()
        for kid, key in OURS.items():
            (root / "keys" / f"{kid}.pem").write_bytes(key)
        for name in ("uploads/7", "keys-of-others/7", "keys/old/7"):
            (root / f"{name}.pem").write_bytes(THEIRS)
        folder = KeyFolder(root / "keys")
        return [folder.key(kid.replace("ROOT", str(root))) for kid in kids]


def test_a_key_is_found_by_its_name() -> None:
    assert asked(*OURS) == list(OURS.values()), "the keys of the folder must be found"


def test_an_unknown_name_finds_nothing() -> None:
    assert asked("2025-12", "partner", "", ".", "*") == [None] * 5, "there is no such key"


def test_no_name_leads_out_of_the_folder() -> None:
    for kid in (
        "../uploads/7",
        "....//uploads/7",
        "../keys-of-others/7",
        "old/7",
        "ROOT/uploads/7",
        "./old/../../uploads/7",
    ):
        [found] = asked(kid)
        assert found is None, f"`kid: {kid}` found {found!r}: whoever can write a file there can sign as anybody"


def test_no_name_has_a_second_spelling() -> None:
    for kid in ("./2026-01", "old/../2026-01", "../keys/2026-01", "ROOT/keys/2026-01"):
        [found] = asked(kid)
        assert found is None, f"`kid: {kid}` is a path, and it was followed"


def test_whatever_is_asked_for_there_is_an_answer() -> None:
    random = Random(7)
    parts = ["..", "/", "\\", "\0", "7", "uploads", "old", "2026-01", ".pem", "%2e", "~", "x" * 300, "\n", "é"]
    kids = ["".join(random.choices(parts, k=random.randrange(1, 7))) for _ in range(300)]
    try:
        found = asked(*kids)
    except (OSError, ValueError) as error:
        raise AssertionError(f"a name made it fail with {error!r}: a 500 for whoever sends that token") from None
    for kid, key in zip(kids, found, strict=True):
        assert key == OURS.get(kid), f"`kid: {kid!r}` found {key!r}"
