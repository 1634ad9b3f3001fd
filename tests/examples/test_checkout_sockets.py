"""The checkout on real sockets, as `python -m examples.checkout` runs it: with auth, rate limit and deadline."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from api_gateway import Request, RequestContext, Response
from examples.checkout.__main__ import running
from examples.checkout.services import KeyedService, Shop
from tests.support.leaks import Holdings

ROOT = Path(__file__).resolve().parents[2]
BODY = {"cart_id": "c1", "payment_method": "card-good", "shipping_address": "12 Elm Street"}


async def check_out(client: httpx.AsyncClient, url: str, api_key: str, key: str) -> httpx.Response:
    headers = {"x-api-key": api_key, "idempotency-key": f'"{key}"'}
    return await client.post(f"{url}/api/checkout", headers=headers, json=BODY)


async def test_a_checkout_over_sockets_is_done_once_however_often_it_is_sent() -> None:
    before = Holdings.now()
    async with running(0) as (url, key, shop), httpx.AsyncClient(trust_env=False) as client:
        answers = [await check_out(client, url, key, "first") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 201]
        assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]
        books = (await client.get(f"{url}/api/books")).json()
        assert (books["takings_cents"], books["needs_human"]) == (4_700, [])
        assert [service.times_made for service in shop.keyed.values()] == [1, 1, 1, 1]
    await before.again()


async def test_nobody_unknown_checks_out() -> None:
    async with running(0) as (url, _, shop), httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(f"{url}/api/checkout", json=BODY)).status_code == 401
        assert (await check_out(client, url, "gw_wrong", "first")).status_code == 401
        assert shop.payments.takings == 0


async def test_a_caller_may_check_out_so_often_and_no_more() -> None:
    async with running(0) as (url, key, shop), httpx.AsyncClient(trust_env=False) as client:
        statuses = [(await check_out(client, url, key, "first")).status_code for _ in range(12)]
        assert statuses == [201] * 10 + [429] * 2
        assert shop.payments.takings == 4_700


@pytest.mark.parametrize("lose", ["inventory", "payments", "orders", "shipping"])
async def test_a_service_whose_answers_are_lost_leaves_nothing_behind(lose: str) -> None:
    async with running(0, lose) as (url, key, shop), httpx.AsyncClient(trust_env=False) as client:
        assert (await check_out(client, url, key, "first")).status_code == 502
        assert [len(service.made) for service in shop.keyed.values()] == [0, 0, 0, 0]
        assert (shop.inventory.stock, shop.payments.takings) == ({"tea": 10, "kettle": 5}, 0)


class SlowCarrier(KeyedService):
    """Longer than a server without connections takes to end."""

    def __init__(self) -> None:
        super().__init__("shipments")
        self.asked = asyncio.Event()

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked.set()
        await asyncio.sleep(0.3)
        return await super().__call__(request, context)


async def test_who_ends_the_program_while_a_checkout_runs_waits_for_it() -> None:
    shop = Shop("ada")
    shop.shipping = carrier = SlowCarrier()
    async with running(0, shop=shop) as (url, key, _), httpx.AsyncClient(trust_env=False) as client:
        task = asyncio.create_task(check_out(client, url, key, "first"))
        await carrier.asked.wait()
        task.cancel()
        await asyncio.wait([task])
    assert [len(service.made) for service in shop.keyed.values()] == [1, 1, 1, 1]


async def test_the_command_says_what_to_try_and_ends_when_told_to() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "examples.checkout", "--port", "0"),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            lines: list[str] = []
            while not lines or not lines[-1].startswith("ready: gateway http://127.0.0.1:"):
                line = (await process.stdout.readline()).decode()
                assert line, "it ended before it was ready"
                lines.append(line)
            assert any("Idempotency-Key" in line for line in lines)
            process.send_signal(signal.SIGTERM)
            await process.communicate()
            assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
