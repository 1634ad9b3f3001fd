"""Route: one line of the routing table: which requests, which service, what changes on the way.

Path patterns have three kinds of segment:

    /api/users/me      exact
    /api/users/{id}    a parameter: one non-empty segment, decoded
    /api/users/*       a tail: everything below, and /api/users itself

Rule: patterns are compared segment by segment, never by prefix of characters, so `/users/*` does
not match `/usersX`. On the way to the service `strip_prefix` removes what stands before the
tail, `rewrite` builds a new path from parameters and tail, and `host` chooses the Host header.

What it does not do: decide between routes (`router.py`) or apply policy (its middleware does).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from api_gateway.core.canonical_path import canonical_path, decode_segment
from api_gateway.core.errors import BadRequest, ConfigurationError
from api_gateway.core.middleware import Chain, Handler, Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.routing.predicates import Exactly, Predicates, ValuePredicate

PRESERVE: Final = "preserve"
"""`host=PRESERVE` sends the client's own Host to the service."""

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HOST = re.compile(r"(\*\.)?[a-z0-9\-.]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed path pattern: decoded segments, None for a parameter."""

    segments: tuple[str | None, ...]
    parameters: tuple[str, ...]
    has_tail: bool

    @classmethod
    def parse(cls, path: str) -> Pattern:
        """Raises ConfigurationError where `path` is not a valid pattern."""
        literal = _PARAMETER.sub("p", path)
        try:
            clean = path == "/" or canonical_path(literal) == literal
        except BadRequest as error:
            raise ConfigurationError(f"path {path!r}: {error.detail}") from None
        if not clean:
            raise ConfigurationError(f"path {path!r} is not in canonical form; write {canonical_path(literal)!r}")
        segments = path.split("/")[1:]
        has_tail = segments[-1] == "*"
        if has_tail:
            segments.pop()
        parameters = [match.group(1) for segment in segments if (match := _PARAMETER.fullmatch(segment))]
        for segment in segments:
            if ("{" in segment or "}" in segment or "*" in segment) and not _PARAMETER.fullmatch(segment):
                raise ConfigurationError(
                    f"path {path!r}: {segment!r} is neither literal, nor {{name}}, nor a last segment '*'"
                )
        if len(set(parameters)) < len(parameters):
            raise ConfigurationError(f"path {path!r} uses a parameter name twice")
        decoded = (None if _PARAMETER.fullmatch(segment) else decode_segment(segment) for segment in segments)
        return cls(tuple(decoded), tuple(parameters), has_tail)


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go to which service. Checked when it is made.

    Raises:
        ConfigurationError: the path, a host or a rewrite is not valid, or two options exclude
            each other.
    """

    path: str
    service: str
    methods: Sequence[str] = ()
    hosts: Sequence[str] = ()
    headers: Mapping[str, str | ValuePredicate] = field(default_factory=dict)
    query: Mapping[str, str | ValuePredicate] = field(default_factory=dict)
    strip_prefix: bool = False
    rewrite: str | None = None
    host: str | None = None
    middleware: Sequence[Middleware] = ()
    name: str = ""
    pattern: Pattern = field(init=False, repr=False)
    predicates: Predicates = field(init=False, repr=False)

    def __post_init__(self) -> None:
        assign = object.__setattr__  # frozen: the derived fields are set once, here
        assign(self, "name", self.name or self.path)
        assign(self, "methods", tuple(method.upper() for method in self.methods))
        assign(self, "hosts", tuple(dict.fromkeys(_checked_host(host, self.path) for host in self.hosts)))
        assign(self, "pattern", Pattern.parse(self.path))
        assign(
            self,
            "predicates",
            Predicates(
                frozenset(self.methods),
                {name.lower(): _predicate(value) for name, value in self.headers.items()},
                {name: _predicate(value) for name, value in self.query.items()},
            ),
        )
        if self.strip_prefix and not self.pattern.has_tail:
            raise ConfigurationError(f"path {self.path!r}: strip_prefix needs a path that ends in '/*'")
        if self.rewrite is not None:
            self._check_rewrite(self.rewrite)

    def _check_rewrite(self, rewrite: str) -> None:
        if self.strip_prefix:
            raise ConfigurationError(f"path {self.path!r}: strip_prefix and rewrite exclude each other")
        template = Pattern.parse(rewrite)
        unknown = set(template.parameters) - set(self.pattern.parameters)
        if unknown:
            raise ConfigurationError(f"rewrite {rewrite!r}: path {self.path!r} has no parameter {min(unknown)!r}")
        if template.has_tail and not self.pattern.has_tail:
            raise ConfigurationError(f"rewrite {rewrite!r} uses '*', but path {self.path!r} has no tail")

    def bind(self, service: Handler, chain: Chain = chain) -> Handler:
        """This route as a handler: its middleware, then the changed request to `service`."""
        return chain(self.middleware, self._forward_to(service))

    def _forward_to(self, service: Handler) -> Handler:
        if not self.strip_prefix and self.rewrite is None and self.host is None:
            return service

        def forward(request: Request, context: RequestContext) -> Awaitable[Response]:
            if self.host is not None:
                context.upstream_host = (request.header("host") or "") if self.host == PRESERVE else self.host
            path = self.forwarded_path(request.path)
            return service(request if path is request.path else request.with_path(path), context)

        return forward

    def forwarded_path(self, path: str) -> str:
        """The path as the service gets it, from the canonical path that matched."""
        before_tail = len(self.pattern.segments)
        if self.strip_prefix:
            return "/" + "".join(path.split("/", before_tail + 1)[before_tail + 1 :])
        if self.rewrite is None:
            return path
        segments = path.split("/")[1:]
        tail = segments[before_tail:]
        values = [
            segment for segment, known in zip(segments, self.pattern.segments, strict=False) if known is None
        ]  # still percent-encoded: what was data stays data
        parameters = dict(zip(self.pattern.parameters, values, strict=True))
        rewritten = _PARAMETER.sub(lambda match: parameters[match.group(1)], self.rewrite)
        if not self.rewrite.endswith("/*"):
            return rewritten
        return "/".join([rewritten[:-2], *tail]) or "/"


def _predicate(value: str | ValuePredicate) -> ValuePredicate:
    return Exactly(value) if isinstance(value, str) else value


def _checked_host(host: str, path: str) -> str:
    host = host.lower().rstrip(".")
    if not _HOST.fullmatch(host):
        raise ConfigurationError(f"path {path!r}: {host!r} is not a host name (no port; '*.' only in front)")
    return host
