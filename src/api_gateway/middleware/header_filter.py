"""Header filter: which header fields a request may, must and must not carry.

    header_filter:
      deny: [x-original-url, {user-agent: {regex: "(?i)sqlmap.*"}}]     # refused, 403
      require: [x-api-version, {x-tenant: {regex: "[a-z0-9]+"}}]        # refused without, 400
      allow: [accept, authorization, "x-shop-*"]                        # the others are dropped

Rule: three lists, three answers. A *denied* header is a sign of an attack, or of a client nobody wants, so the
request is refused, and told no more than that. A *required* one is part of how the service is called, so the client
is told its name. One that is not *allowed* is most likely something that the next version of a browser sends, or
a proxy on the way: to refuse that would turn honest clients away for nothing, so it is dropped, and the service is
as safe, since it never sees it.

A denial holds if any line of that name has a denied value. A demand holds if there is a line, and every line of
that name is right: a service may read the first or the last.

Always allowed: what the gateway itself tells the service (`WRITTEN_HERE`), and what a request would change its
meaning without, which is what frames and describes the body, and the preconditions (`NEEDED`). `Authorization`
and `Cookie` are not among them: where `allow` stands before authentication it must have them.

Cost: 0.6 us for ten fields and a deny list of names, however long; 3 us with all three lists, where something is
dropped (best of 7 x 20,000 calls).

What it does not do: see what the edge has removed already (`core/canonical_request.py`), split lists in values, or
keep secrets. What values it wants is in the configuration for all to read: proof of who calls is authentication's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

from api_gateway.core.canonical_request import IDENTITY_HEADERS
from api_gateway.core.errors import BadRequest, ClientError, ConfigurationError
from api_gateway.core.headers import HeaderPairs
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts

HeaderDemand: TypeAlias = tuple[str, Callable[[str], bool]]
"""A header's name, and which values are meant."""

WRITTEN_HERE = frozenset(
    {
        b"forwarded",
        b"traceparent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-request-id",
        *IDENTITY_HEADERS,
    }
)
"""What the gateway tells services; the same from outside was dropped or judged before."""

NEEDED = frozenset(
    {
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-type",
        b"host",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
    }
)
"""Without one of these a request may mean something else (RFC 9110 8 and 13, 14.4)."""

_ByName: TypeAlias = dict[bytes, list[Callable[[str], bool]]]


class HeaderDenied(ClientError):
    """The request carries a header that is refused here (RFC 9110 15.5.4)."""

    status, code, title, flag = 403, "header-denied", "Not allowed with these header fields", "UAEX"


class HeaderFilterMiddleware:
    """Refuses by header, and drops what is not allowed."""

    __slots__ = ("_allowed", "_allowed_prefixes", "_denied_names", "_deny", "_require", "refused", "unmet")

    refused: int
    """Requests that carried what is denied."""
    unmet: int
    """Requests that lacked what is required."""

    def __init__(
        self,
        *,
        allow: Sequence[str] | None = None,
        deny: Iterable[HeaderDemand] = (),
        require: Iterable[HeaderDemand] = (),
    ) -> None:
        """`allow` are names, or beginnings of names with `*` behind; None drops nothing.

        Raises:
            ConfigurationError: there is nothing to filter.
        """
        self._deny = _by_name(deny)
        self._denied_names = frozenset(self._deny)
        self._require = _by_name(require)
        names = [name.lower().encode("ascii") for name in allow or ()]
        self._allowed = NEEDED | WRITTEN_HERE | {name for name in names if name[-1:] != b"*"} if allow else None
        self._allowed_prefixes = tuple(name[:-1] for name in names if name[-1:] == b"*")
        if not (self._deny or self._require or allow):
            raise ConfigurationError("there is nothing to allow, to deny or to require")
        self.refused = self.unmet = 0

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Raises HeaderDenied for what is denied, BadRequest for what is missing."""
        pairs = request.headers.pairs
        names = [name for name, _ in pairs]
        if not self._denied_names.isdisjoint(names):
            self._check_denied(pairs)
        if self._require:
            self._check_required(pairs)
        if self._allowed is not None and not self._allowed.issuperset(names):
            request = self._without_others(request, self._allowed)
        return call_next(request, context)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The names that are refused, lacking or dropped; no values."""
        pairs = request.headers.pairs
        there = {name for name, _ in pairs}
        kept = self._allowed
        dropped = () if kept is None else there - kept
        return {
            "denied": _names(name for name, value in pairs if _any_holds(self._deny.get(name, ()), value)),
            "lacking": _names(
                name
                for name, demands in self._require.items()
                if name not in there or not all(_all_hold(demands, value) for each, value in pairs if each == name)
            ),
            "dropped": _names(name for name in dropped if not name.startswith(self._allowed_prefixes)),
        }

    def _check_denied(self, pairs: HeaderPairs) -> None:
        for name, value in pairs:
            if name in self._deny:
                text = value.decode("latin-1")
                if any(denies(text) for denies in self._deny[name]):
                    self.refused += 1
                    raise HeaderDenied

    def _check_required(self, pairs: HeaderPairs) -> None:
        for required, demands in self._require.items():
            values = [value.decode("latin-1") for name, value in pairs if name == required]
            if not values:
                self.unmet += 1
                raise BadRequest(f"The header {required.decode()} is required here.")
            for value in values:
                for holds in demands:
                    if not holds(value):
                        self.unmet += 1
                        raise BadRequest(f"The header {required.decode()} has a value that is not accepted here.")

    def _without_others(self, request: Request, allowed: frozenset[bytes]) -> Request:
        pairs, prefixes = request.headers.pairs, self._allowed_prefixes
        kept = [pair for pair in pairs if pair[0] in allowed or pair[0].startswith(prefixes)]
        return request.with_headers(request.headers.from_pairs(kept))


def _names(names: Iterable[bytes]) -> list[str]:
    return sorted({name.decode("latin-1") for name in names})


def _any_holds(demands: Iterable[Callable[[str], bool]], value: bytes) -> bool:
    return any(holds(value.decode("latin-1")) for holds in demands)


def _all_hold(demands: Iterable[Callable[[str], bool]], value: bytes) -> bool:
    return all(holds(value.decode("latin-1")) for holds in demands)


def _by_name(demands: Iterable[HeaderDemand]) -> _ByName:
    by_name: _ByName = defaultdict(list)
    for name, holds in demands:
        by_name[name.lower().encode("ascii")].append(holds)
    return dict(by_name)
