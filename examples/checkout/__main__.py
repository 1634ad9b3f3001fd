"""The checkout on real sockets: five services, and the gateway before them.

    python -m examples.checkout                      until Ctrl-C; prints a command to try
    python -m examples.checkout --lose payments      this service does what it is asked to, and never says so

`GET /api/books` on the gateway shows what is reserved, charged, ordered and shipped, and what needs a human.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.auth.api_key import key_digest, new_key
from api_gateway.auth.key_file import HASH_PREFIX
from api_gateway.core.asgi import AsgiApplication
from api_gateway.core.clock import SystemClock
from api_gateway.server.http_server import HttpServer
from api_gateway.server.sockets import CannotListen, base_url, listen
from api_gateway.server.stop import Stop
from examples.checkout.checkout import Checkout
from examples.checkout.gateway import configuration, shop_gateway
from examples.checkout.saga_log import MemorySagaLog
from examples.checkout.services import Shop

CUSTOMER = "ada"
DRAIN = 5.0
"""Seconds for requests that run when the program is asked to stop."""


@asynccontextmanager
async def running(port: int, lose: str | None = None, shop: Shop | None = None) -> AsyncIterator[tuple[str, str, Shop]]:
    """The gateway's URL, an API key of the customer's, and the shop, a new one unless given.

    Raises:
        CannotListen: the port cannot be had; 0 is any free one.
    """
    shop, log = shop or Shop(CUSTOMER), MemorySagaLog()
    checkout = Checkout(log=log)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", port))
        endpoints: dict[str, str] = {}
        for name, service in shop.services.items():
            handler = silent(service) if name == lose else service
            application = AsgiApplication(handler, SystemClock(), nullcontext())
            endpoints[name] = await _serve(stack, HttpServer(application), 0)
        keys_file = Path(stack.enter_context(TemporaryDirectory(prefix="checkout-"))) / "keys.yaml"
        key = make_key(keys_file)
        config = configuration(keys_file, endpoints)
        routes = config["routes"]
        assert isinstance(routes, list), "it says so"
        config["routes"] = [*routes, {"path": "/api/books", "service": "books", "methods": ["GET"]}]
        gateway = shop_gateway(config, checkout, {"books": _books(shop, log)})
        await stack.enter_async_context(gateway)
        await stack.enter_async_context(checkout)  # finishes what runs while the services are still there
        server = HttpServer(gateway.asgi)
        await server.start(listener)
        stack.push_async_callback(server.drain, DRAIN)
        yield base_url(listener), key, shop


async def _serve(stack: AsyncExitStack, server: HttpServer, port: int) -> str:
    listener = stack.enter_context(listen("127.0.0.1", port))
    url = base_url(listener)
    await server.start(listener)
    stack.push_async_callback(server.drain, 0.0)
    return url


def silent(service: Handler) -> Handler:
    """A service whose PUTs are done and never confirmed."""

    async def answer(request: Request, context: RequestContext) -> Response:
        response = await service(request, context)
        if request.method == "PUT":
            await response.close()
            return Response.json({"error": "lost"}, 500)
        return response

    return answer


def make_key(keys_file: Path) -> str:
    """A new API key of the customer's; the file has its hash."""
    key = new_key()
    digest = key_digest(key.text.encode()).hex()
    keys_file.write_text(
        f'keys:\n  - id: "{key.id}"\n    hash: {HASH_PREFIX}{digest}\n    owner: {CUSTOMER}\n', encoding="utf-8"
    )
    return key.text


def _books(shop: Shop, log: MemorySagaLog) -> Handler:
    async def books(request: Request, context: RequestContext) -> Response:
        return Response.json({**shop.books(), "needs_human": [asdict(entry) for entry in log.needs_human]})

    return books


def _welcome(url: str, key: str) -> str:
    body = '{"cart_id": "c1", "payment_method": "card-good", "shipping_address": "12 Elm Street"}'
    return f"""\
Try it, more than once, and with another key or body:

  curl -i {url}/api/checkout -H 'X-API-Key: {key}' \\
    -H 'Idempotency-Key: "first"' -d '{body}'
  curl {url}/api/books

ready: gateway {url}"""


async def _run(port: int, lose: str | None, say: Callable[[str], None]) -> None:
    stop = Stop()
    stop.on_signals()
    async with running(port, lose) as (url, key, _):
        say(_welcome(url, key))
        await stop.draining.wait()


def main(arguments: Sequence[str]) -> int:
    """Run until a signal asks to stop; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.checkout", description="The checkout on real sockets.")
    parser.add_argument("--port", type=int, default=8080, help="the gateway's port; 0 for any free one")
    names: Mapping[str, object] = Shop(CUSTOMER).keyed
    parser.add_argument("--lose", choices=sorted(names), help="the service whose answers are lost")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_run(options.port, options.lose, lambda text: print(text, flush=True)))
    except CannotListen as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
