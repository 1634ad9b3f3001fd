import asyncio
from random import Random

from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.caching.laboratory import Clients, Got, Origin, gateway_with, gateway_with_cache
from api_gateway.plotting.caching.seeds import SeedCache
from api_gateway.simulation import FakeService, Fault, run


def page(*directives: str) -> Origin:
    service = FakeService(0.5, workers=10, random=Random(1), faults=[Fault("refuse", 100)])
    return Origin(service, {"cache-control": ", ".join(directives)})


def test_clients_write_down_what_they_got_and_the_origin_when_it_was_asked() -> None:
    async def main() -> tuple[list[Got], list[float]]:
        origin = page("max-age=5")
        clients = Clients(gateway_with_cache(origin))
        for seconds in (2, 4.5):
            await clients.ask()
            await asyncio.sleep(seconds)
        await clients.ask()
        return clients.got, origin.asked

    got, asked = run(main)
    assert [(each.sent, each.duration, each.status, each.age) for each in got] == [
        (0, 0.5, 200, 0),
        (2.5, 0, 200, 2),
        (7, 0.5, 200, 0),
    ]
    assert asked == [0, 7]


def test_an_answer_past_its_lifetime_says_so() -> None:
    async def main() -> list[bool]:
        clients = Clients(gateway_with_cache(page("max-age=5", "stale-if-error=1000")))
        await clients.ask()
        await asyncio.sleep(200)
        await clients.ask()
        return [each.stale for each in clients.got]

    assert run(main) == [False, True]


def test_a_crowd_is_one_request_before_the_cache_and_as_many_as_it_is_before_none() -> None:
    async def main() -> list[int]:
        origins = [page("max-age=5") for _ in range(2)]
        for origin, gateway in zip(origins, (gateway_with_cache(origins[0]), gateway_with(origins[1])), strict=True):
            await Clients(gateway).crowd(5)
            assert len(origin.asked) in (1, 5)
        return [len(origin.asked) for origin in origins]

    assert run(main) == [1, 5]


def test_an_error_is_not_given_fields_that_let_it_be_kept() -> None:
    async def main() -> tuple[int, int]:
        origin = page("max-age=5")
        await asyncio.sleep(200)
        clients = Clients(gateway_with_cache(origin))
        await clients.ask()
        await clients.ask()
        return clients.got[0].status, len(origin.asked)

    assert run(main) == (502, 2)


def test_whoever_asks_is_known_to_the_service_and_layers_stand_before_it() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response.text(context.identity.subject if context.identity else "")

    async def main() -> list[bytes]:
        clients = Clients(gateway_with(service, SeedCache(10)))
        await clients.ask(Request("GET", "/a"), Identity("ann", "jwt"))
        await clients.ask(Request("GET", "/a"), Identity("bob", "jwt"))
        await clients.ask(Request("GET", "/b"), Identity("bob", "jwt"))
        return [each.body for each in clients.got]

    assert run(main) == [b"ann", b"ann", b"bob"]
