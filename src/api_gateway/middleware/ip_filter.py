"""IP filter: who may call at all, by address.

    ip_filter: {allow: [10.0.0.0/8], deny: [10.6.6.0/24], deny_file: blocked.txt}

Rule: who is on the deny list is refused, whatever else. Who is not is let in if there is no allow list, or if it
has them. So deny beats allow, however specific either is: an exception from a block is made by writing the block
in parts, and no line of one list ever weakens the other.

The address is the client's (`context.client_address`): the peer's, unless trusted proxies vouch for another
(`forwarded.py`). Where there is none (a Unix socket, a call in the same process without a peer's address), it is
on no list: an allow list refuses it, a deny list does not.

A list is written out, or read from a file, or both. Files are looked at while the gateway runs, and a changed one
takes effect within seconds (`core/watched_file.py`); one with a mistake, or gone, leaves what was there in use. An
allow file without a single entry lets nobody in.

The refusal says nothing of the lists; which of them it was is only counted.

Cost: 0.9 us for both lists with 10,000 networks each (best of 7 x 20,000 calls); most of it reads the address.

What it does not do: know countries or reputations, or spare a connection its TLS handshake.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from pathlib import Path

from api_gateway.core.errors import AddressDenied, ConfigurationError
from api_gateway.core.middleware import Handler
from api_gateway.core.network_set import NetworkSet, address_number
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.watched_file import LOOK_EVERY, WatchedFile
from api_gateway.core.xray.facts import Fact, Facts
from api_gateway.middleware.network_list import network_list


class IpFilterMiddleware:
    """Lets in by address. Start it for changes of its files to be noticed."""

    __slots__ = ("_allow", "_deny", "_watched", "refused_by_allow", "refused_by_deny")

    refused_by_allow: int
    """Requests refused because the allow list does not have their address."""
    refused_by_deny: int
    """Requests refused because the deny list does."""

    def __init__(
        self,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        *,
        allow_file: Path | None = None,
        deny_file: Path | None = None,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """`allow` and `deny` are CIDR blocks or addresses, and the files hold more, one a line.

        Raises:
            ConfigurationError: one of them is neither, a file cannot be read, or there is no list at all.
        """
        if not (allow or deny or allow_file or deny_file):
            raise ConfigurationError("there is neither an allow list nor a deny list")
        self._deny = network_list(deny, deny_file, look_every)
        self._allow = network_list(allow, allow_file, look_every) if allow or allow_file else None
        files = ((self._deny, deny_file), (self._allow, allow_file))
        self._watched = [networks for networks, file in files if networks is not None and file is not None]
        self.refused_by_allow = self.refused_by_deny = 0

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Raises AddressDenied unless the client's address may come in."""
        number = address_number(context.client_address)
        if self._deny.value.holds(number):
            self.refused_by_deny += 1
            raise AddressDenied
        if self._allow is not None and not self._allow.value.holds(number):
            self.refused_by_allow += 1
            raise AddressDenied
        return call_next(request, context)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The address, and the networks of the lists in which it lies."""
        number = address_number(context.client_address)
        facts: dict[str, Fact] = {"address": context.client_address or None}
        facts["denied by"] = self._deny.value.network_of(number)
        if self._allow is not None:
            facts["allowed by"] = self._allow.value.network_of(number)
        return facts

    @property
    def allowed(self) -> NetworkSet | None:
        """Who may come in, as of now; None where there is no allow list, so everybody not denied may."""
        return self._allow.value if self._allow is not None else None

    @property
    def denied(self) -> NetworkSet:
        """Who may not, as of now."""
        return self._deny.value

    @property
    def files(self) -> Sequence[WatchedFile[NetworkSet]]:
        """The lists that come from files, and how often those were read anew."""
        return self._watched

    async def start(self) -> None:
        """Begin to look at the files."""
        for networks in self._watched:
            await networks.start()

    async def close(self) -> None:
        """Look no more."""
        for networks in self._watched:
            await networks.close()
