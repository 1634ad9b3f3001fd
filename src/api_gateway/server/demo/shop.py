"""Shop: the demo's data. Orders refer to users and products, payments and shipments to orders.

Rule: everything is drawn from one injected random source, so one seed gives one shop, the same
in each instance of a service. Every identifier that a record mentions exists, a review is
written by somebody who bought the product, and each collection holds a number 42.

The records are typed dictionaries because their only use is to become JSON. Money is in cents.

What it does not do: change. The services only read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import TypedDict

from api_gateway.server.demo.catalogue import (
    CARRIERS,
    CATALOGUE,
    CITIES,
    FIRST_NAMES,
    JOURNEY,
    LAST_NAMES,
    OPINIONS,
    PAYMENT_METHODS,
)

SEED = 42
"""Of the demo's shop."""
USERS = 50
ORDERS = 60
AVATARS: Mapping[str, int] = {"small": 48, "large": 512}
"""Pixels on a side."""
_FIRST_DAY = date(2026, 1, 5)


class User(TypedDict):
    """Somebody who buys."""

    id: int
    name: str
    email: str
    city: str
    avatars: Mapping[str, str]
    """Addresses of pictures that nobody has taken, by size."""


class Product(TypedDict):
    """Something to buy."""

    id: int
    title: str
    category: str
    price_cents: int


class Item(TypedDict):
    """One line of an order."""

    product_id: int
    quantity: int
    price_cents: int


class Order(TypedDict):
    """What one user bought on one day."""

    id: int
    user_id: int
    placed_on: str
    items: list[Item]
    total_cents: int


class Payment(TypedDict):
    """How an order was paid; it has the order's number."""

    id: int
    order_id: int
    method: str
    amount_cents: int
    status: str


class Shipment(TypedDict):
    """Where an order's parcel is."""

    order_id: int
    carrier: str
    tracking_number: str
    city: str
    status: str


class Review(TypedDict):
    """What a buyer thinks of a product."""

    id: int
    product_id: int
    user_id: int
    stars: int
    text: str


@dataclass(frozen=True, slots=True)
class Shop:
    """All records, each collection by identifier."""

    users: Mapping[int, User]
    products: Mapping[int, Product]
    orders: Mapping[int, Order]
    payments: Mapping[int, Payment]
    shipments: Mapping[int, Shipment]
    """By order."""
    reviews: Mapping[int, Review]


def open_shop(random: Random) -> Shop:
    """The shop that `random` draws."""
    products = _products()
    users = _users(random)
    orders = _orders(random, products)
    return Shop(
        users,
        products,
        orders,
        {order["id"]: _payment(random, order) for order in orders.values()},
        {order["id"]: _shipment(random, order, users[order["user_id"]]) for order in orders.values()},
        _reviews(random, orders),
    )


def _products() -> dict[int, Product]:
    entries = [(category, *entry) for category, listed in CATALOGUE.items() for entry in listed]
    return {
        number: Product(id=number, title=title, category=category, price_cents=price)
        for number, (category, title, price) in enumerate(entries, start=1)
    }


def _users(random: Random) -> dict[int, User]:
    names = random.sample([(first, last) for first in FIRST_NAMES for last in LAST_NAMES], USERS)
    return {
        number: User(
            id=number,
            name=f"{first} {last}",
            email=f"{first}.{last}@shop.example".lower(),
            city=random.choice(CITIES),
            avatars={size: f"https://img.shop.example/{number}/{pixels}.png" for size, pixels in AVATARS.items()},
        )
        for number, (first, last) in enumerate(names, start=1)
    }


def _orders(random: Random, products: Mapping[int, Product]) -> dict[int, Order]:
    deck = _deck(random, products)
    orders: dict[int, Order] = {}
    day = _FIRST_DAY
    for number in range(1, ORDERS + 1):
        day += timedelta(days=random.randrange(4))
        drawn = sorted({next(deck) for _ in range(random.randint(1, 4))})
        items = [
            Item(product_id=known, quantity=random.choice((1, 1, 1, 2, 3)), price_cents=products[known]["price_cents"])
            for known in drawn
        ]
        orders[number] = Order(
            id=number,
            user_id=random.randint(1, USERS),
            placed_on=day.isoformat(),
            items=items,
            total_cents=sum(item["quantity"] * item["price_cents"] for item in items),
        )
    return orders


def _deck(random: Random, products: Mapping[int, Product]) -> Iterator[int]:
    """Product numbers without end; each comes once before any comes again, so none stays unsold."""
    cards = list(products)
    while True:
        random.shuffle(cards)
        yield from cards


def _payment(random: Random, order: Order) -> Payment:
    return Payment(
        id=order["id"],
        order_id=order["id"],
        method=random.choice(PAYMENT_METHODS),
        amount_cents=order["total_cents"],
        status=random.choice(("captured", "captured", "captured", "pending")),
    )


def _shipment(random: Random, order: Order, buyer: User) -> Shipment:
    return Shipment(
        order_id=order["id"],
        carrier=random.choice(CARRIERS),
        tracking_number=f"PX{random.randrange(10**9):09d}",
        city=buyer["city"],
        status=random.choice(JOURNEY),
    )


def _reviews(random: Random, orders: Mapping[int, Order]) -> dict[int, Review]:
    bought = {(item["product_id"], order["user_id"]) for order in orders.values() for item in order["items"]}
    reviews: dict[int, Review] = {}
    for number, (product_id, user_id) in enumerate(sorted(bought), start=1):
        stars = random.choices((5, 4, 3, 2, 1), weights=(40, 30, 15, 10, 5))[0]
        reviews[number] = Review(
            id=number, product_id=product_id, user_id=user_id, stars=stars, text=random.choice(OPINIONS[stars])
        )
    return reviews
