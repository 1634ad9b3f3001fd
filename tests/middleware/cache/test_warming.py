"""Cache warming: the URLs of a list are asked for, a few at once, and nothing waits for it."""

from __future__ import annotations

import asyncio

from api_gateway import Request, RequestContext, Response
from api_gateway.middleware.cache.warming import CacheWarming
from api_gateway.simulation import VirtualClock, run


class Gateway:
    def __init__(self, takes: float = 1.0) -> None:
        self.takes = takes
        self.asked: list[str] = []
        self.under_way = self.most = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked.append(f"{context.scheme}://{request.header('host')}{request.target}")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way -= 1
        if "broken" in request.path:
            raise ValueError("a defect")
        return Response(500 if "down" in request.path else 200)


URLS = [f"https://shop.example/{name}?p=1" for name in ("a", "broken", "b", "down", "c", "d")]


def test_every_url_is_asked_for_once_a_few_at_a_time() -> None:
    async def main() -> None:
        gateway = Gateway()
        warming = CacheWarming(gateway, URLS, VirtualClock(), at_once=2)
        await warming.start()
        assert asyncio.get_running_loop().time() == 0
        await asyncio.sleep(10)
        assert sorted(gateway.asked) == sorted(URLS)
        assert (gateway.most, warming.warmed, warming.failed) == (2, 4, 2)
        await warming.close()

    run(main)


def test_what_hangs_is_given_up_and_the_rest_goes_on() -> None:
    async def main() -> None:
        gateway = Gateway(takes=1000)
        warming = CacheWarming(gateway, URLS[:2], VirtualClock(), at_once=1, timeout=5)
        await warming.start()
        await asyncio.sleep(20)
        assert (warming.failed, len(gateway.asked), gateway.under_way) == (2, 2, 0)
        await warming.close()

    run(main)


def test_it_ends_with_the_gateway() -> None:
    async def main() -> None:
        for after in (0.0, 0.5, 1.5):
            gateway = Gateway(takes=1000)
            warming = CacheWarming(gateway, URLS, VirtualClock())
            await warming.close()
            await warming.start()
            await asyncio.sleep(after)
            await warming.close()
            await warming.close()
            assert (gateway.under_way, len(asyncio.all_tasks())) == (0, 1)

    run(main)
