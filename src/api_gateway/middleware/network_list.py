"""Network list: networks that the configuration writes out, and those in a file beside it.

    # comments, and empty lines, say nothing
    192.0.2.0/24        # nor does what stands behind
    198.51.100.7 ; as in the lists that others publish
    2001:db8:bad::/48

Rule: one network or address a line. A line that is none makes the whole file a mistake, with its place, because a
block list of which a part was skipped looks just like one that works.

Replace a file by renaming a complete one onto it: of a file caught half written, every line may be good.

Cost: 2 us a line, in the event loop: 20 ms for 10,000 of them, 0.2 s for 100,000, each time the file changes.

What it does not do: fetch lists from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.network_set import NetworkSet, Range, network_range
from api_gateway.core.watched_file import LOOK_EVERY, WatchedFile

_COMMENT = re.compile("[#;]")
_LONGEST_SHOWN = 60


def network_list(
    networks: Sequence[str], file: Path | None = None, look_every: float = LOOK_EVERY
) -> WatchedFile[NetworkSet]:
    """`networks` and those in `file`, looked at every so many seconds once it is started.

    Raises:
        ConfigurationError: one of them is no network, or the file cannot be read.
    """
    try:
        written = [network_range(network) for network in networks]
    except ValueError as error:
        raise ConfigurationError(str(error)) from None

    def load() -> NetworkSet:
        return NetworkSet.of_ranges([*written, *(_ranges_in(file) if file is not None else ())])

    return WatchedFile([file] if file is not None else [], load, every=look_every)


def _ranges_in(file: Path) -> Iterator[Range]:
    lines = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        entry = _COMMENT.split(line, maxsplit=1)[0].strip()
        if not entry:
            continue
        try:
            yield network_range(entry)
        except ValueError:
            shown = repr(entry[:_LONGEST_SHOWN]) + ("..." if len(entry) > _LONGEST_SHOWN else "")
            raise ConfigurationError(
                f"{file}:{number}: {shown} is not an IP network; write one a line, such as 10.0.0.0/8 or a single "
                "address, with no bits set behind the prefix"
            ) from None
