"""Addresses: reading them from headers, and knowing the trusted ones.

Rule: an entry of a forwarded chain is an IPv4 or IPv6 address, bare or in brackets, with or
without a port. Anything else is garbage (`unknown`, `_hidden`, a name, a zone like `fe80::1%eth0`)
and yields no address. IPv4 mapped into IPv6 (`::ffff:10.0.0.1`, which a dual-stack socket
reports) is the IPv4 address: otherwise `10.0.0.0/8` would not cover it.

Cost: the last `REMEMBERED` entries are kept with their verdict, because a gateway behind proxies
sees the same few over and over. The bound, and that of `LONGEST_ENTRY`, is there because clients
write some of them. How many networks are trusted does not matter (`core/network_set.py`).

What it does not do: resolve names.

Source: RFC 7239 section 6 (node), RFC 4291 section 2.5.5.2 (mapped addresses), RFC 6177 (what providers give out).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.network_set import NetworkSet

REMEMBERED = 1024
"""Entries whose verdict is kept."""

LONGEST_ENTRY = 64
"""Characters; the longest address in brackets with a port has 53."""

_SUBSCRIBERS_REMEMBERED = 4096
_SUBSCRIBER_BITS = 64

_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
_V4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")


def parse_address(entry: str) -> str | None:
    """The address in an entry of a chain, in its shortest spelling; None if there is none."""
    if len(entry) > LONGEST_ENTRY or "%" in entry:
        return None
    wrapped = _BRACKETED.fullmatch(entry) or _V4_WITH_PORT.fullmatch(entry)
    try:
        return str(_unmapped(ip_address(wrapped.group(1) if wrapped else entry)))
    except ValueError:
        return None


@lru_cache(maxsize=_SUBSCRIBERS_REMEMBERED)
def subscriber(address: str) -> str:
    """Who has this address: an IPv4 one itself, an IPv6 one its /64, the least that a provider gives out.

    A name that a server gives its peer stays as it is.
    """
    parsed = parse_address(address.partition("%")[0])
    if parsed is None:
        return address
    ip = ip_address(parsed)
    if not isinstance(ip, IPv6Address):
        return parsed
    return f"{IPv6Address(int(ip) >> _SUBSCRIBER_BITS << _SUBSCRIBER_BITS)}/{_SUBSCRIBER_BITS}"


class TrustedNetworks:
    """The networks whose word about a client is believed."""

    __slots__ = ("_networks", "_verdict")

    def __init__(self, networks: Sequence[str]) -> None:
        """`networks` are addresses or CIDR blocks.

        Raises:
            ConfigurationError: one of them is neither.
        """
        try:
            self._networks = NetworkSet(networks)
        except ValueError as error:
            raise ConfigurationError(f"trusted_proxies: {error}") from None
        self._verdict: Callable[[str], tuple[str | None, bool]] = lru_cache(maxsize=REMEMBERED)(self._find)

    def judge(self, entry: str) -> tuple[str | None, bool]:
        """The address in an entry (None if it is garbage), and whether it is a trusted one."""
        return self._verdict(entry) if len(entry) <= LONGEST_ENTRY else (None, False)

    def __contains__(self, address: str) -> bool:
        return self.judge(address)[1]

    def __bool__(self) -> bool:
        return len(self._networks) > 0

    def _find(self, entry: str) -> tuple[str | None, bool]:
        address = parse_address(entry)
        return address, address is not None and address in self._networks


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
