"""Welcome: what the demo says on the terminal before the first request.

Rule: the map is made from the configuration that runs, and each thing to try is one command with
what it shows, so a test can run the commands and compare. Colour only marks headings, and only on
a terminal (and not where NO_COLOR is set).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api_gateway.server.demo.configuration import DEADLINE, ROUTES, SALE_BURST, by_service
from api_gateway.server.demo.services import SLOWNESS

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A command to type, and what to look for in its answer."""

    command: str
    look_for: str


def suggestions(gateway: str) -> Sequence[Suggestion]:
    """Six commands that show the gateway whose address is `gateway` at work."""
    return (
        Suggestion(
            f"for i in 1 2 3 4 5 6; do curl -si {gateway}/api/users/42 | grep served; done",
            "round robin: users-1, users-2, users-3, and around again",
        ),
        Suggestion(
            f"curl -i {gateway}/nowhere",
            "404 from the gateway itself: no route matches, so no service was asked",
        ),
        Suggestion(
            f"curl -i -X POST {gateway}/api/payments/42",
            "405: this route takes GET only, as the header 'allow: GET, HEAD' says",
        ),
        Suggestion(
            f"curl -N {gateway}/api/shipments/42/events",
            "200, streamed: six events, each passed on when it comes, not all at the end",
        ),
        Suggestion(
            f"curl -i {gateway}/api/reviews/slow",
            f"504 after {DEADLINE:g} s: the service takes {SLOWNESS:g} s, the route's deadline is {DEADLINE:g} s",
        ),
        Suggestion(
            f"for i in 1 2 3 4; do curl -si {gateway}/api/products/sale | grep -iE '^(HTTP|ratelimit:|retry)'; done",
            f"{SALE_BURST} are admitted, and told what is left; then 429, and when to come back",
        ),
    )


def welcome(gateway: str, admin: str, ports: Mapping[str, int], *, colour: bool) -> str:
    """The whole text; `gateway` and `admin` are base URLs, `ports` those of the instances."""
    return "\n".join(_lines(gateway, admin, ports, colour)) + "\n"


def _lines(gateway: str, admin: str, ports: Mapping[str, int], colour: bool) -> Iterator[str]:
    def heading(text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if colour else text

    yield "A gateway and seven services behind it, on this machine. Ctrl-C ends it all."
    yield ""
    yield heading("Routes, services, instances")
    yield from _map(ports)
    yield ""
    yield heading("Try these in another terminal")
    for number, suggestion in enumerate(suggestions(gateway), start=1):
        yield f"  {number}  {suggestion.command}"
        yield f"     {suggestion.look_for}"
    yield ""
    yield heading("Look inside")
    for path, what in _ADMIN_PAGES:
        yield f"  {admin}{path:<10} {what}"
    yield ""
    yield heading("The log, from here on")
    yield "  time (UTC), status, request, who answered, duration; then what went wrong"


_ADMIN_PAGES = (
    ("/", "the admin page: routes, services, instances"),
    ("/services", "the same as JSON, requests in flight included"),
    ("/metrics", "counters and durations, for Prometheus"),
)


def _map(ports: Mapping[str, int]) -> Iterator[str]:
    services = by_service(ports)
    path_width = max(len(route.path) for route in ROUTES)
    service_width = max(map(len, services))
    shown: set[str] = set()
    for route in ROUTES:
        instances = [f"{name}:{port}" for name, port in services[route.service].items()]
        cells = [] if route.service in shown else [" ".join(instances)]
        shown.add(route.service)
        cells += [route.remark] if route.remark else []
        yield f"  {route.path:<{path_width}}  {route.service:<{service_width}}  {'  '.join(cells)}"
