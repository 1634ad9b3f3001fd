"""Welcome: what the demo says on the terminal before the first request.

Rule: the map is made from the configuration that runs, and each thing to try is one command with
what it shows, so a test can run the commands and compare. Keys and tokens are long, so the shell
keeps them: they are pasted once, as variables, and the commands stay short. Colour only marks
headings, and only on a terminal (and not where NO_COLOR is set).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from api_gateway.server.demo.configuration import AGGREGATE, CHECKOUT, PROVIDER, by_service, provider_url, routes
from api_gateway.server.demo.shop import SEED, open_shop
from api_gateway.server.demo.suggestions import (
    Suggestion,
    cache_suggestions,
    checkout_suggestions,
    composing_suggestions,
    login_suggestions,
    outage_suggestions,
    purchases,
    suggestions,
    variables,
)

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def welcome(
    gateway: str, admin: str, ports: Mapping[str, int], key: str, tokens: Mapping[str, str], *, colour: bool
) -> str:
    """The whole text.

    Args:
        gateway: its base URL.
        admin: that of the admin pages.
        ports: those of the instances, by name.
        key: an API key.
        tokens: an opaque token for each user, by name.
        colour: whether headings stand out.
    """
    return "\n".join(_lines(gateway, admin, ports, variables(provider_url(ports), key, tokens), colour)) + "\n"


def _lines(gateway: str, admin: str, ports: Mapping[str, int], to_paste: Sequence[str], colour: bool) -> Iterator[str]:
    def heading(text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if colour else text

    provider, shop = provider_url(ports), open_shop(Random(SEED))
    several = itertools.count(1)
    yield "A gateway and seven services behind it, on this machine. Ctrl-C ends it all."
    yield ""
    yield heading("Routes, services, instances")
    yield from _map(ports)
    yield ""
    yield heading("Try these in another terminal")
    yield from _numbered(suggestions(gateway), several)
    yield ""
    yield heading("Ask once instead of often")
    yield from _numbered([*composing_suggestions(gateway, shop), *cache_suggestions(gateway, admin)], several)
    yield ""
    yield heading("Say who you are: paste these lines there, then go on")
    yield from (f"  {line}" for line in to_paste)
    yield from _numbered(login_suggestions(gateway), several)
    yield ""
    if CHECKOUT in by_service(ports):
        yield heading("Buy something, whole or not at all: paste these lines, too")
        yield from (f"  {line}" for line in purchases())
        yield from _numbered(checkout_suggestions(gateway), several)
    else:
        yield "In the project's directory the demo has a checkout, too: examples/checkout."
    yield ""
    yield heading("Switch the identity provider off, and on again")
    yield from _numbered(outage_suggestions(gateway, provider), several)
    yield ""
    yield heading("Look inside")
    for path, what in _ADMIN_PAGES:
        yield f"  {admin}{path:<10} {what}"
    yield "  and from here on the log: time (UTC), status, request, who answered, duration;"
    yield "  then what went wrong; besides, as JSON, each refusal that concerns security"


def _numbered(some: Sequence[Suggestion], numbers: Iterator[int]) -> Iterator[str]:
    for suggestion in some:
        yield f" {next(numbers):>2}  {suggestion.command}"
        yield f"     {suggestion.look_for}"


_ADMIN_PAGES = (
    ("/", "the admin page: routes, services, instances"),
    ("/services", "the same as JSON, requests in flight included"),
    ("/metrics", "counters and durations, for Prometheus"),
)


def _map(ports: Mapping[str, int]) -> Iterator[str]:
    services, known = by_service(ports), routes(ports)
    path_width = max(len(route.path) for route in known if route.service != AGGREGATE)
    service_width = max(map(len, services))
    shown: set[str] = set()
    for route in known:
        if route.service == AGGREGATE:
            continue
        instances = [f"{name}:{port}" for name, port in services[route.service].items()]
        cells = [] if route.service in shown else [" ".join(instances)]
        shown.add(route.service)
        cells += [route.remark] if route.remark else []
        yield f"  {route.path:<{path_width}}  {route.service:<{service_width}}  {'  '.join(cells)}"
    provider = f"{PROVIDER}-1"
    yield f"  {'(no route)':<{path_width}}  {PROVIDER:<{service_width}}  {provider}:{ports[provider]}  judges tokens"
    several = [route for route in known if route.service == AGGREGATE and route.remark]
    path_width = max(len(route.path) for route in several)
    yield from (f"  {route.path:<{path_width}}  {AGGREGATE} {route.remark}" for route in several)
