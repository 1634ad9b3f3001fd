"""Purchase: the five steps of one checkout, as calls to services.

| step     | do                             | undo                           | service   |
|----------|--------------------------------|--------------------------------|-----------|
| validate | GET /carts/{cart}              |                                | carts     |
| reserve  | PUT /reservations/{id}-reserve | DELETE the same                | inventory |
| pay      | PUT /payments/{id}-pay         | DELETE the same: the refund    | payments  |
| order    | PUT /orders/{id}-order         | DELETE the same                | orders    |
| ship     | PUT /shipments/{id}-ship       | DELETE the same                | shipping  |

Rule: each step has a key of its own, made of the checkout's, and the key is the name of what the step makes. Whoever
sends a step twice names the same thing twice, so a retry cannot charge twice; and a step whose answer was lost can be
undone, because its name is known without the answer.

Payment is the point of no return: once money may have moved, the checkout goes to its end, done or undone.

What it does not do: decide what happens when a step fails (`saga.py`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Self

from examples.checkout.saga import OutcomeUnknown, Refused, Step
from examples.checkout.service_calls import ServiceCalls

LONGEST_TEXT = 500

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Malformed(ValueError):
    """The client's body is not what a checkout needs; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the client asks for."""

    cart_id: str
    payment_method: str
    shipping_address: str

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the client's JSON.

        Raises:
            Malformed: it is not a JSON object with these three texts and nothing else.
        """
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise Malformed("the body is not JSON") from None
        names = ("cart_id", "payment_method", "shipping_address")
        if not isinstance(value, dict) or {*value} != {*names}:
            raise Malformed(f"the body is an object of {', '.join(names)}")
        for name in names:
            if not isinstance(value[name], str) or not 0 < len(value[name]) <= LONGEST_TEXT:
                raise Malformed(f"{name} is a text of 1 to {LONGEST_TEXT} characters")
        if not _NAME.fullmatch(value["cart_id"]):
            raise Malformed("cart_id has letters, digits, '-' and '_', at most 64 of them")
        return cls(value["cart_id"], value["payment_method"], value["shipping_address"])


class Purchase:
    """One checkout's steps, and what they find out."""

    def __init__(self, identifier: str, wanted: Wanted, buyer: str, calls: ServiceCalls) -> None:
        self._identifier = identifier
        self._wanted = wanted
        self._buyer = buyer
        self._calls = calls
        self._items: list[object] = []
        self.total_cents = 0
        """What is charged; known after "validate"."""
        self.order_id = ""
        """The order's name at its service; known after "order"."""

    def steps(self) -> tuple[Step, ...]:
        """The five steps, in order."""
        return (
            Step("validate", self.validate),
            Step("reserve", self.reserve, self.release),
            Step("pay", self.charge, self.refund, no_return=True),
            Step("order", self.create_order, self.cancel_order),
            Step("ship", self.schedule_shipment, self.cancel_shipment),
        )

    async def validate(self) -> None:
        """Look into the cart: what is in it, and what it costs."""
        cart = await self._calls.do("GET", "carts", f"/carts/{self._wanted.cart_id}")
        items, total = cart.get("items"), cart.get("total_cents")
        if not isinstance(items, list) or not isinstance(total, int) or total < 0:
            raise OutcomeUnknown("carts: not a cart")
        if not items:
            raise Refused("the cart is empty", 422)
        self._items, self.total_cents = items, total

    async def reserve(self) -> None:
        """Set the items aside."""
        await self._calls.do("PUT", "inventory", self._path("reservations", "reserve"), {"items": self._items})

    async def release(self) -> None:
        """Put them back."""
        await self._calls.undo("inventory", self._path("reservations", "reserve"))

    async def charge(self) -> None:
        """Take the money."""
        charge = {"method": self._wanted.payment_method, "amount_cents": self.total_cents}
        await self._calls.do("PUT", "payments", self._path("payments", "pay"), charge)

    async def refund(self) -> None:
        """Give it back."""
        await self._calls.undo("payments", self._path("payments", "pay"))

    async def create_order(self) -> None:
        """Write the order down."""
        order = {"user_id": self._buyer, "items": self._items, "payment": f"{self._identifier}-pay"}
        answer = await self._calls.do("PUT", "orders", self._path("orders", "order"), order)
        order_id = answer.get("order_id")
        if not isinstance(order_id, str):
            raise OutcomeUnknown("orders: an order without order_id")
        self.order_id = order_id

    async def cancel_order(self) -> None:
        """Cancel it."""
        await self._calls.undo("orders", self._path("orders", "order"))

    async def schedule_shipment(self) -> None:
        """Have the parcel fetched."""
        shipment = {"order_id": self.order_id, "address": self._wanted.shipping_address}
        await self._calls.do("PUT", "shipping", self._path("shipments", "ship"), shipment)

    async def cancel_shipment(self) -> None:
        """Call the carrier off."""
        await self._calls.undo("shipping", self._path("shipments", "ship"))

    def _path(self, collection: str, step: str) -> str:
        return f"/{collection}/{self._identifier}-{step}"
