"""Host: the name a request is for, and the patterns that name it.

Rule: a name is compared in lower case, without port or trailing dot. `*.example.com` stands for
every name below `example.com`, at any depth, and not for `example.com` itself.

Cost: one dictionary look-up a label, whatever the number of hosts.

What it does not do: check the syntax. `core/canonical_request.py` has done that.
"""

from __future__ import annotations

from collections.abc import Iterator

from api_gateway.core.request import Request


def host_name(request: Request) -> str:
    """The host that a request is for: lower case, without port or trailing dot."""
    host = (request.header("host") or "").lower()
    name = host if host.endswith("]") else host.rsplit(":", 1)[0] if ":" in host else host
    return name.rstrip(".")


def host_patterns(request: Request) -> Iterator[str]:
    """Every pattern that covers the request's host, most specific first; empty, for any host, last."""
    host = host_name(request)
    if host:
        yield host
        labels = host.split(".")
        for start in range(1, len(labels)):
            yield "*." + ".".join(labels[start:])
    yield ""
