"""Suggestions: the commands that the welcome prints, and what each shows.

Rule: one command, one thing to see, in numbers that come from where they are decided. What depends on the shop's data
is looked up there: an order of three items, a user with more orders than a phone shows.

What it does not do: lay out the screen (`welcome.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api_gateway.server.demo.configuration import DEADLINE, KEPT, ORDERS_SCOPE, ROBOT, SALE_BURST
from api_gateway.server.demo.services import LOOKUP, SLOWNESS
from api_gateway.server.demo.shop import Shop


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


def composing_suggestions(gateway: str, shop: Shop) -> Sequence[Suggestion]:
    """Three commands that show one answer made of several."""
    order = next(order for order in shop.orders.values() if len(order["items"]) == 3)
    ((user, orders),) = Counter(order["user_id"] for order in shop.orders.values()).most_common(1)
    number = order["id"]
    calls = [f"orders/{number}", f"users/{order['user_id']}", f"payments/{number}", f"shipments/{number}"]
    calls += [f"products/{item['product_id']}" for item in order["items"]]
    every = ",".join([*calls, f"order-details/{number}"])
    return (
        Suggestion(
            f"curl {gateway}/api/order-details/{number}; echo",
            f"one answer made of {len(calls)}; only what needs the order waits for the order",
        ),
        Suggestion(
            f"curl -so /dev/null -w '%{{time_total}} s %{{url_effective}}\\n' '{gateway}/api/{{{every}}}'"
            f' | awk \'{{print; all += $1}} END {{print all - $1, "s in {len(calls)} calls,", $1, "s in one"}}\'',
            f"{LOOKUP:g} s each: {len(calls) * LOOKUP:.1f} s one after another, {2 * LOOKUP:.1f} s as one answer",
        ),
        Suggestion(
            f'for client in web mobile; do curl -sH "x-client: $client" {gateway}/api/dashboard/{user}; echo; done',
            f"a shape for each client: all {orders} orders, or the last 3 and a small avatar",
        ),
    )


def cache_suggestions(gateway: str, admin: str) -> Sequence[Suggestion]:
    """Two commands that show what is asked once and answered often."""
    return (
        Suggestion(
            f"for i in 1 2; do curl -siw '%{{time_total}} s' '{gateway}/api/reviews?product_id=42'"
            " | grep -iE '^(cache-status|age|[0-9.]+ s)'; done",
            f"{LOOKUP:g} s and stored, then a hit in no time: for {KEPT} s, as the service says",
        ),
        Suggestion(
            f"curl {admin}/cache/purge -H 'content-type: application/json' -d '{{\"prefix\": \"{gateway}/\"}}'",
            "forgets it at once: try the one above again",
        ),
    )


def checkout_suggestions(gateway: str) -> Sequence[Suggestion]:
    """Two commands that show what is done as a whole, or not at all."""
    buy = f"--oauth2-bearer $ANNA {gateway}/api/checkout -H 'Idempotency-Key: "
    return (
        Suggestion(
            f'for i in 1 2; do curl -si {buy}"first"\' -d "$BUY" | grep -iE \'^(HTTP|idempotent)\'; done',
            "201, 201: bought once; the second is the same answer again",
        ),
        Suggestion(
            f'curl -s {buy}"second"\' -d "$BUY_POORLY"; echo;'
            f" curl -s --oauth2-bearer $ANNA {gateway}/api/checkout/books",
            "402, the card was declined: what was reserved is back, nothing is charged",
        ),
    )


def purchases() -> Sequence[str]:
    """Commands that make shell variables of what is bought."""
    rest = '"cart_id": "c1", "shipping_address": "12 Elm Street"'
    return tuple(
        f'{name}=\'{{{rest}, "payment_method": "{card}"}}\''
        for name, card in (("BUY", "card-good"), ("BUY_POORLY", "card-poor"))
    )


def variables(provider: str, key: str, tokens: Mapping[str, str]) -> Sequence[str]:
    """Commands that make shell variables of what a caller can show."""
    ask = f"curl -su {ROBOT.id}:{ROBOT.secret} -d grant_type=client_credentials {provider}/token"
    return (
        f"KEY={key}",
        " ".join(f"{name.upper()}={token}" for name, token in tokens.items()),
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
    """Three commands that show what is left of that without the identity provider."""
    return (
        Suggestion(
            f'curl -X POST {provider}/outage -d \'{{"mode": "down"}}\'',
            "it answers 503 from now on; what it said before is believed for a second",
        ),
        Suggestion(
            f'for try in "GET $ANNA" "POST $ANNA" "GET stranger"; do curl -si -X ${{try% *}}'
            f" --oauth2-bearer ${{try#* }} {gateway}/api/me | grep HTTP; done",
            "200, 503, 503: anna, remembered, may read, not write; strangers may nothing",
        ),
        Suggestion(
            f'curl -X POST {provider}/outage -d \'{{"mode": "up"}}\'',
            "and all is as before, in 2 s at most; the one above again: 200, 200, 401",
        ),
    )
