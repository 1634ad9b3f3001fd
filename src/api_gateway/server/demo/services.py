"""Services: the seven small applications behind the demo's gateway.

Rule: each is an ordinary Starlette application that knows nothing of the gateway before it. It
answers below its root (`/42`), which is what `strip_prefix` leaves of `/api/users/42`, and also
below its own collection (`/users/42`), which is what somebody types who calls it directly.

Looking up records takes `LOOKUP` seconds, as if they came from a database far away: so it shows what calls cost that
wait for each other, and what a cache saves. Only reviews may be kept by a cache.

Two are out of the ordinary on purpose: shipping streams the journey of a parcel as server-sent
events, and reviews has a `/slow` that takes ten seconds. The fallback answers anything and tells
what reached it, which shows what the gateway adds to a request.

What they do not do: write, authenticate, or call each other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from api_gateway.server.demo.catalogue import JOURNEY
from api_gateway.server.demo.configuration import KEPT
from api_gateway.server.demo.shop import Shop

LOOKUP = 0.1
"""Seconds that each answer out of a collection takes."""
EVENT_INTERVAL = 0.3
"""Seconds between two events of a parcel's journey."""
SLOWNESS = 10.0
"""Seconds that `/slow` takes."""

_ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Endpoint = Callable[[Request], Awaitable[Response]]
Record = TypeVar("Record", bound=Mapping[str, object])


class ReadableJson(JSONResponse):
    """JSON for people at a terminal: indented, and with a line end."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


def demo_services(shop: Shop) -> dict[str, ASGIApp]:
    """The applications, by the name of their service."""
    return {
        "users": _application("users", _collection("user", shop.users)),
        "orders": _application("orders", _collection("order", shop.orders, user_id=int)),
        "payments": _application("payments", _collection("payment", shop.payments)),
        "products": _application("products", _collection("product", shop.products, category=str)),
        "shipping": _application(
            "shipments", {**_collection("shipment", shop.shipments), "/{id:int}/events": _journey(shop)}
        ),
        "reviews": _application(
            "reviews", {**_collection("review", shop.reviews, KEPT, product_id=int), "/slow": _slow}
        ),
        "fallback": Starlette(routes=[Route("/{path:path}", _mirror, methods=list(_ANY_METHOD))]),
    }


def _application(name: str, endpoints: Mapping[str, Endpoint]) -> Starlette:
    routes = [
        Route(prefix + path or "/", endpoint) for prefix in ("", f"/{name}") for path, endpoint in endpoints.items()
    ]
    application = Starlette(routes=routes, exception_handlers={404: _problem, 400: _problem, 405: _problem})
    # A redirect from /42/ to /42 would name this instance's own address and lead around the gateway.
    application.router.redirect_slashes = False
    return application


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for statuses only"
    detail = f"there is nothing at {request.url.path}" if error.detail == "Not Found" else error.detail
    return ReadableJson({"error": detail}, error.status_code, error.headers)


def _collection(
    singular: str, records: Mapping[int, Record], kept: int = 0, **filters: Callable[[str], object]
) -> dict[str, Endpoint]:
    """All records, perhaps filtered by query parameters; and one record by its number.

    A cache may keep them for `kept` seconds.
    """
    headers = {"cache-control": f"max-age={kept}"} if kept else {}

    async def listing(request: Request) -> Response:
        await asyncio.sleep(LOOKUP)
        chosen = list(records.values())
        for name, convert in filters.items():
            if name in request.query_params:
                wanted = _converted(name, request.query_params[name], convert)
                chosen = [record for record in chosen if record[name] == wanted]
        return ReadableJson(chosen, headers=headers)

    async def one(request: Request) -> Response:
        await asyncio.sleep(LOOKUP)
        return ReadableJson(_found(singular, records, request), headers=headers)

    return {"": listing, "/{id:int}": one}


def _converted(name: str, text: str, convert: Callable[[str], object]) -> object:
    try:
        return convert(text)
    except ValueError:
        raise HTTPException(400, f"{name} is a number, not {text!r}") from None


def _found(singular: str, records: Mapping[int, Record], request: Request) -> Record:
    number: int = request.path_params["id"]
    if number not in records:
        raise HTTPException(404, f"there is no {singular} {number}; they go from 1 to {max(records)}")
    return records[number]


def _journey(shop: Shop) -> Endpoint:
    async def journey(request: Request) -> Response:
        shipment = _found("shipment", shop.shipments, request)
        events = _events(shipment["tracking_number"])
        return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})

    return journey


async def _events(tracking_number: str) -> AsyncIterator[str]:
    """A parcel's journey in fast motion."""
    for number, step in enumerate(JOURNEY, start=1):
        if number > 1:
            await asyncio.sleep(EVENT_INTERVAL)
        data = json.dumps({"tracking_number": tracking_number, "status": step})
        yield f"id: {number}\nevent: shipment\ndata: {data}\n\n"


async def _slow(_request: Request) -> Response:
    await asyncio.sleep(SLOWNESS)
    return ReadableJson({"answer": "too late for anybody with a deadline"})


async def _mirror(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    arrived = {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "headers": [f"{name}: {value}" for name, value in request.headers.items()],
        "body_bytes": size,
    }
    return ReadableJson({"message": "this is what arrived", "request": arrived})
