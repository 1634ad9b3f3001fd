"""`api-gateway key`: make an API key, or list those of a file.

    api-gateway key new --owner orders-team --scopes orders:read --expires 90d --keys-file keys.yaml
    api-gateway key list --keys-file keys.yaml

Rule: the key is shown once, on stdout, when its record is safely in the file; the file has its hash only. With
`--keys-file` nothing else goes to stdout, so `KEY=$(api-gateway key new ...)` holds the key; without, the entry to
paste follows it.

The entry is appended as text, so comments stay. What comes of it is read back before it takes the file's place,
whose rights it keeps, in one rename: neither a crash nor a running gateway ever finds half a file. A file that has
a mistake already is refused. The new text stands in `.NAME.new` meanwhile, which is also the lock: of two
commands at once, one is told to try again.

What it does not do: show a hash, or take a key away. To revoke one, remove its entry or write `disabled: true`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from api_gateway.auth.api_key import KeyRecord, NewKey, key_digest, new_key
from api_gateway.auth.key_file import HASH_PREFIX, DocumentLoader, KeyRecords, format_moment, parse_keys, parse_moment
from api_gateway.core.clock import Clock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.identity import Identity

_LIFE: Final = re.compile(r"([1-9][0-9]{0,4})([dh])")
_UNITS: Final = {"d": 86_400, "h": 3_600}
_EMPTY_LIST: Final = re.compile(r"^(keys:)(?:[ \t]*(?:\[[ \t]*\]|~|null))?([ \t]*(?:#[^\n]*)?)$", re.MULTILINE)
_ITEM: Final = re.compile(r"^( *)- ", re.MULTILINE)
_EVERY_BYTE: Final = ("utf-8", "surrogateescape")
_COLUMNS: Final = ("id", "owner", "scopes", "tier", "expires", "state")


def add_key_commands(parser: argparse.ArgumentParser, load: DocumentLoader, clock: Clock) -> None:
    """Give `parser` the commands `new` and `list`; `load` reads YAML. Each sets `command`."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    new = commands.add_parser("new", help="make a key and print it, once")
    new.add_argument("--owner", required=True, type=_name, help="whom limits count the calls of this key for")
    new.add_argument("--scopes", metavar="A,B", type=_words, default=(), help="what it may be used for")
    new.add_argument("--roles", metavar="A,B", type=_words, default=(), help="what its holder is")
    new.add_argument("--tier", type=_name, help="its class of service, such as gold")
    new.add_argument(
        "--expires",
        metavar="WHEN",
        type=_expiry,
        default=None,
        help="90d, 12h or 2027-01-01T00:00:00Z; never unless given",
    )
    new.add_argument("--keys-file", metavar="FILE", type=Path, help="append the entry to this file")
    new.set_defaults(command=partial(_new, load=load, clock=clock))

    listing = commands.add_parser("list", help="list the keys of a file, without their hashes")
    listing.add_argument("--keys-file", metavar="FILE", type=Path, required=True, help="the file to read")
    listing.set_defaults(command=partial(_list, load=load, clock=clock))


def _new(options: argparse.Namespace, *, load: DocumentLoader, clock: Clock) -> int:
    expires = options.expires(clock.wall()) if options.expires else None
    key = new_key()
    entry = _entry(key, options, expires)
    if options.keys_file is None:
        _print(f"{key.text}\n\n{_indented(entry, 2)}")
        return 0
    _append(options.keys_file, key, entry, load)
    print(key.text, flush=True)
    print(f"the key {key.id} is in {options.keys_file}; it is not shown again", file=sys.stderr)
    return 0


def _list(options: argparse.Namespace, *, load: DocumentLoader, clock: Clock) -> int:
    with _in_words(options.keys_file):
        records = parse_keys(load(options.keys_file), str(options.keys_file))
    rows = [_COLUMNS, *(_row(record, clock.wall()) for record in records.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        _print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _row(record: KeyRecord, now: float) -> tuple[str, ...]:
    identity = record.identity
    expires = "never" if identity.expires is None else format_moment(identity.expires)
    expired = identity.expires is not None and now >= identity.expires
    state = "disabled" if record.disabled else "expired" if expired else "active"
    scopes = ",".join(sorted(identity.scopes))
    return record.id, identity.consumer, scopes or "-", identity.tier or "-", expires, state


# The entry, and the file.


def _entry(key: NewKey, options: argparse.Namespace, expires: float | None) -> list[str]:
    """The lines of the entry; each text is quoted as JSON does, which YAML reads as well."""
    fields = {
        "id": _quoted(key.id),
        "hash": HASH_PREFIX + key_digest(key.text.encode()).hex(),
        "owner": _quoted(options.owner),
        "scopes": _quoted(options.scopes),
        "roles": _quoted(options.roles),
        "tier": _quoted(options.tier),
        "expires": "" if expires is None else format_moment(expires),
    }
    return [f"{name}: {text}" for name, text in fields.items() if text]


def _quoted(value: str | Sequence[str] | None) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def _indented(entry: Sequence[str], spaces: int) -> str:
    margin = " " * spaces
    return margin + "- " + f"\n{margin}  ".join(entry)


def _append(path: Path, key: NewKey, entry: Sequence[str], load: DocumentLoader) -> None:
    target = Path(os.path.realpath(path))  # a link stays one
    spare = target.parent / f".{target.name}.new"
    with _in_words(path), _claimed(spare) as file:
        text, before = _existing(target, path, load)
        file.write(_with_entry(text, entry).encode(*_EVERY_BYTE))
        file.flush()
        _keep_rights(target, file)
        os.fsync(file.fileno())
        if not _has_one_more(spare, before, key, load):
            remedy = "write one '- id:' for each entry below 'keys:', or run this without --keys-file and paste"
            raise ConfigurationError(f"{path}: nothing can be appended to a file of this form; {remedy}")
        os.replace(spare, target)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause = error.strerror or "cannot be read or written"
        raise ConfigurationError(f"{path}: {cause}; check the name and the rights") from None


@contextmanager
def _claimed(spare: Path) -> Iterator[BinaryIO]:
    """The file for the new text, for us alone. Without an error, it has been renamed."""
    try:
        descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        remedy = "try again, or remove that file if none is"
        raise ConfigurationError(f"{spare} is there: another such command is at work; {remedy}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:  # an interrupt, too; after the rename the name may be another command's
        spare.unlink(missing_ok=True)
        raise


def _existing(target: Path, path: Path, load: DocumentLoader) -> tuple[str, KeyRecords]:
    try:
        text = target.read_bytes().decode(*_EVERY_BYTE)
    except FileNotFoundError:
        return "", {}
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return text, {}
    return text, parse_keys(load(path), str(path))


def _with_entry(text: str, entry: Sequence[str]) -> str:
    margins = [len(match[1]) for match in _ITEM.finditer(text)]
    if not margins:
        text = _EMPTY_LIST.sub(r"\1\2", text)
        text = text if _EMPTY_LIST.search(text) else _ended(text) + "keys:"
    return _ended(text) + _indented(entry, min(margins, default=2)) + "\n"


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _has_one_more(spare: Path, before: KeyRecords, key: NewKey, load: DocumentLoader) -> bool:
    try:
        return parse_keys(load(spare), "").keys() == before.keys() | {key.id}
    except ConfigurationError:
        return False


def _keep_rights(target: Path, file: BinaryIO) -> None:
    """The rights and the owner of the file that is there; a new one stays its maker's alone."""
    if target.exists():
        there = target.stat()
        os.fchown(file.fileno(), there.st_uid, there.st_gid)
        os.fchmod(file.fileno(), there.st_mode & 0o777)


def _print(text: str) -> None:
    """Print what the terminal's encoding may lack; YAML reads the escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


# Arguments.


def _name(text: str) -> str:
    try:
        return Identity(text, "api_key").subject
    except ValueError:
        raise argparse.ArgumentTypeError("is empty, too long, or holds a control character") from None


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    try:
        Identity("-", "api_key", scopes=frozenset(words))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as orders:read,orders:write") from None
    return words


def _expiry(text: str) -> Callable[[float], float]:
    """What makes of now the time after which the key proves nothing."""
    life = _LIFE.fullmatch(text)
    if life is not None:
        return lambda now: now + int(life[1]) * _UNITS[life[2]]
    try:
        moment = parse_moment(text)
    except ValueError:
        remedy = "write 90d, 12h or 2027-01-01T00:00:00Z"
        raise argparse.ArgumentTypeError(f"{text!r} is neither a duration nor a time; {remedy}") from None
    return lambda now: _in_future(moment, now)


def _in_future(moment: float, now: float) -> float:
    if moment <= now:
        raise ConfigurationError(f"--expires: {format_moment(moment)} has passed; choose a later time")
    return moment
