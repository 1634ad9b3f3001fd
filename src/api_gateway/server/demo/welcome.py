"""Welcome: what the demo says on the terminal before the first request.

Rule: the map is made from the configuration that runs, and each thing to try is one command with
what it shows, so a test can run the commands and compare. Keys and tokens are long, so the shell
keeps them: they are pasted once, as variables, and the commands stay short. Colour only marks
headings, and only on a terminal (and not where NO_COLOR is set).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api_gateway.server.demo.configuration import (
    DEADLINE,
    ORDERS_SCOPE,
    PROVIDER,
    ROBOT,
    ROUTES,
    SALE_BURST,
    by_service,
    provider_url,
)
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


def variables(provider: str, key: str, tokens: Mapping[str, str]) -> Sequence[str]:
    """Commands that make shell variables of what a caller can show."""
    ask = f"curl -su {ROBOT.id}:{ROBOT.secret} -d grant_type=client_credentials {provider}/token"
    return (
        f"KEY={key}",
        *(f"{name.upper()}={token}" for name, token in tokens.items()),
        f"{ROBOT.id.upper()}=$({ask} | cut -d '\"' -f 4)",
    )


def login_suggestions(gateway: str) -> Sequence[Suggestion]:
    """Four commands that show who gets in."""
    return (
        Suggestion(
            f"curl -i {gateway}/api/me",
            "401, and www-authenticate says how to prove who you are",
        ),
        Suggestion(
            f'curl -i -H "X-API-Key: $KEY" {gateway}/api/me',
            "200: the service is told who calls (x-user-id), and never gets the key",
        ),
        Suggestion(
            f"curl -i --oauth2-bearer $ROBOT {gateway}/api/me",
            "200: a JWT, which the gateway verifies with the provider's public keys",
        ),
        Suggestion(
            f"for who in $ANNA $BEN; do curl -si --oauth2-bearer $who {gateway}/api/me/orders/42"
            " | grep -iE '^(HTTP|www)'; done",
            f"200, 403: the provider vouches for both, but ben lacks {ORDERS_SCOPE}",
        ),
    )


def outage_suggestions(gateway: str, provider: str) -> Sequence[Suggestion]:
    """Four commands that show what is left of that without the identity provider."""
    return (
        Suggestion(
            f'curl -X POST {provider}/outage -d \'{{"mode": "down"}}\'',
            "it answers 503 from now on; what it said before is believed for a second",
        ),
        Suggestion(
            f"for method in GET POST; do curl -si -X $method --oauth2-bearer $ANNA {gateway}/api/me | grep HTTP; done",
            "200, then 503: anna, remembered, may read, but not write (see when_down)",
        ),
        Suggestion(
            f"curl -i --oauth2-bearer stranger {gateway}/api/me",
            "503, not 401: nobody can say now that this token is worth nothing",
        ),
        Suggestion(
            f'curl -X POST {provider}/outage -d \'{{"mode": "up"}}\'',
            "and all is as before: try the two above again",
        ),
    )


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

    first, login = suggestions(gateway), login_suggestions(gateway)
    yield "A gateway and seven services behind it, on this machine. Ctrl-C ends it all."
    yield ""
    yield heading("Routes, services, instances")
    yield from _map(ports)
    yield ""
    yield heading("Try these in another terminal")
    yield from _numbered(first, 1)
    yield ""
    yield heading("Say who you are: paste these lines there, then go on")
    yield from (f"  {line}" for line in to_paste)
    yield from _numbered(login, len(first) + 1)
    yield ""
    yield heading("Switch the identity provider off, and on again")
    yield from _numbered(outage_suggestions(gateway, provider_url(ports)), len(first) + len(login) + 1)
    yield ""
    yield heading("Look inside")
    for path, what in _ADMIN_PAGES:
        yield f"  {admin}{path:<10} {what}"
    yield ""
    yield heading("The log, from here on")
    yield "  time (UTC), status, request, who answered, duration; then what went wrong;"
    yield "  besides, as JSON, each refusal that concerns security"


def _numbered(several: Sequence[Suggestion], first: int) -> Iterator[str]:
    for number, suggestion in enumerate(several, start=first):
        yield f" {number:>2}  {suggestion.command}"
        yield f"     {suggestion.look_for}"


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
    provider = f"{PROVIDER}-1"
    yield f"  {'(no route)':<{path_width}}  {PROVIDER:<{service_width}}  {provider}:{ports[provider]}  judges tokens"
