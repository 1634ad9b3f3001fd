"""The IP filter in the configuration: who may call at all, by address.

    ip_filter: {allow: [10.0.0.0/8], deny: [10.6.6.0/24]}
    ip_filter: {deny_file: blocked.txt}      # one network a line; changes while the gateway runs

What it does not do: read the files. The middleware does, when it is built.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from api_gateway.config.fields import FilePath, Network
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal
from api_gateway.core.network_set import NetworkSet, network_range


class IpFilterOptions(Model):
    """Whom to let in. Deny beats allow, however specific either is."""

    allow: tuple[Network, ...] | None = None
    """Nobody but these networks; everybody who is not denied, unless given."""
    deny: tuple[Network, ...] = ()
    """Nobody of these networks."""
    allow_file: FilePath | None = None
    """More to allow: one network a line, comments behind `#` or `;`."""
    deny_file: FilePath | None = None
    """More to deny, in the same way."""

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        if self.allow == () and self.allow_file is None:
            raise Refusal("an empty allow list lets nobody in", "name those to allow, or leave allow out")
        if self.allow is None and not self.deny and self.allow_file is None and self.deny_file is None:
            raise Refusal("an ip_filter without a list filters nothing", "write allow: [10.0.0.0/8], or deny")
        denied = NetworkSet(self.deny)
        for network in self.allow or ():
            if denied.holds_all(network_range(network)):
                raise Refusal(
                    f"{network} is allowed, and denied as a whole: deny beats allow",
                    "remove it from allow, or write what to deny in parts that leave it out",
                )
        return self
