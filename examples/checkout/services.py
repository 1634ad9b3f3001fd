"""Services: the five that a checkout needs, in memory, each a Handler.

    PUT    /reservations/{key}   make it; again with the same body: the same answer, nothing is made twice
    DELETE /reservations/{key}   undo it; where there is nothing, see to it that there never will be

Rule: a key that was undone is undone for good. A PUT can be late (it waits in a queue while its caller gives up and
sends the DELETE): without this rule it would be done after it was undone, and stay.

These rules are the services' half of the bargain. Without them no caller can make a checkout safe.

What they do not do: forget. Real ones drop old keys after longer than any request can be late.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from api_gateway import Handler, Request, RequestContext, Response


class Declined(Exception):
    """The service says no; nothing has changed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Made(NamedTuple):
    body: Mapping[str, object]
    answer: Mapping[str, object]


class KeyedService:
    """Things with names that the caller chooses; subclasses say what making and undoing them means."""

    def __init__(self, collection: str) -> None:
        self.collection = collection
        self.made: dict[str, Mapping[str, object]] = {}
        """What there is now, by key, as it was asked for."""
        self.times_made = 0
        self._answers: dict[str, _Made] = {}
        self._undone: set[str] = set()

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Make or undo one thing."""
        _, _, collection_and_key = request.path.partition("/")
        collection, _, key = collection_and_key.partition("/")
        if collection != self.collection or not key:
            return _error(404, f"there is nothing at {request.path}")
        if request.method == "DELETE":
            return self._undo(key)
        if request.method != "PUT":
            return _error(405, "this takes PUT and DELETE")
        body = json.loads(await request.read())
        try:
            return self._make(key, body)
        except Declined as refusal:
            return _error(refusal.status, str(refusal))

    def make(self, key: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Make it; the answer.

        Raises:
            Declined: it cannot be made.
        """
        return {"key": key}

    def undo(self, body: Mapping[str, object]) -> None:
        """Undo what was made of `body`."""

    def _make(self, key: str, body: Mapping[str, object]) -> Response:
        if key in self._undone:
            raise Declined(409, "this was undone before, for good")
        known = self._answers.get(key)
        if known is not None:
            if known.body != body:
                raise Declined(422, "this key belongs to something else")
            return Response.json(known.answer, 200)
        answer = self.make(key, body)
        self._answers[key] = _Made(body, answer)
        self.made[key] = body
        self.times_made += 1
        return Response.json(answer, 201)

    def _undo(self, key: str) -> Response:
        known = self._answers.pop(key, None)
        if known is not None:
            self.undo(known.body)
            del self.made[key]
        self._undone.add(key)
        return Response(204)


class Inventory(KeyedService):
    """What is in stock; a reservation takes it out."""

    def __init__(self, stock: Mapping[str, int]) -> None:
        super().__init__("reservations")
        self.stock = dict(stock)

    def make(self, key: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Reserve all items, or none."""
        wanted = _quantities(body)
        for product, quantity in wanted.items():
            if self.stock.get(product, 0) < quantity:
                raise Declined(409, f"{product} is out of stock")
        for product, quantity in wanted.items():
            self.stock[product] -= quantity
        return {"reservation": key}

    def undo(self, body: Mapping[str, object]) -> None:
        """Put them back."""
        for product, quantity in _quantities(body).items():
            self.stock[product] += quantity


class Payments(KeyedService):
    """Whose money there is; a payment moves it to the shop."""

    def __init__(self, balances: Mapping[str, int]) -> None:
        super().__init__("payments")
        self.balances = dict(balances)
        self.takings = 0
        """Cents that the shop has."""

    def make(self, key: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Charge."""
        method, amount = _charge(body)
        if self.balances.get(method, 0) < amount:
            raise Declined(402, "the card was declined")
        self._move(method, amount)
        return {"payment": key, "status": "captured"}

    def undo(self, body: Mapping[str, object]) -> None:
        """Refund."""
        method, amount = _charge(body)
        self._move(method, -amount)

    def _move(self, method: str, amount: int) -> None:
        self.balances[method] -= amount
        self.takings += amount


class Orders(KeyedService):
    """The orders, numbered."""

    def __init__(self) -> None:
        super().__init__("orders")
        self._last = 0

    def make(self, key: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Write an order down."""
        self._last += 1
        return {"order_id": f"order-{self._last}"}


class Carts:
    """What people are about to buy. Nobody sees another one's cart."""

    def __init__(self, carts: Mapping[str, Mapping[str, object]]) -> None:
        """`carts` by id; each has `user_id`, `items` and `total_cents`."""
        self._carts = carts

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """One cart."""
        cart = self._carts.get(request.path.removeprefix("/carts/"))
        if cart is None or cart["user_id"] != request.header("x-user-id"):
            return _error(404, "there is no such cart")
        return Response.json(cart)


class Shop:
    """The five services together."""

    def __init__(self, customer: str) -> None:
        """A shop in which `customer` has the carts c1 and c2, and one that is empty."""
        self.carts = Carts(
            {
                "c1": _cart(customer, 4_700, tea=2, kettle=1),
                "c2": _cart(customer, 600, tea=1),
                "empty": _cart(customer, 0),
            }
        )
        self.inventory = Inventory({"tea": 10, "kettle": 5})
        self.payments = Payments({"card-good": 100_000, "card-poor": 100})
        self.orders = Orders()
        self.shipping = KeyedService("shipments")

    @property
    def services(self) -> dict[str, Handler]:
        """By the names that the checkout knows them by."""
        return {"carts": self.carts, **self.keyed}

    @property
    def keyed(self) -> dict[str, KeyedService]:
        """Those that a checkout changes, in the order in which it does."""
        return {
            "inventory": self.inventory,
            "payments": self.payments,
            "orders": self.orders,
            "shipping": self.shipping,
        }

    def books(self) -> dict[str, object]:
        """What there is now."""
        made = {service.collection: sorted(service.made) for service in self.keyed.values()}
        return {**made, "stock": self.inventory.stock, "takings_cents": self.payments.takings}


def _cart(customer: str, total_cents: int, **items: int) -> dict[str, object]:
    lines = [{"product_id": product, "quantity": quantity} for product, quantity in items.items()]
    return {"user_id": customer, "items": lines, "total_cents": total_cents}


def _quantities(body: Mapping[str, object]) -> dict[str, int]:
    items = body["items"]
    assert isinstance(items, list), "the checkout sends what the cart has"
    return {str(item["product_id"]): int(item["quantity"]) for item in items}


def _charge(body: Mapping[str, object]) -> tuple[str, int]:
    method, amount = body["method"], body["amount_cents"]
    assert isinstance(method, str), "the checkout has checked it"
    assert isinstance(amount, int), "the checkout has checked it"
    return method, amount


def _error(status: int, reason: str) -> Response:
    return Response.json({"error": reason}, status)
