"""The bulkhead: places, queue, who leaves when, and that every place comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from random import Random
from typing import TypeVar

import pytest

from api_gateway import ApiGateway, Route, Router
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.errors import DeadlineExceeded, Overloaded
from api_gateway.core.middleware import Handler, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.request_priority import RequestPriority
from api_gateway.resilience.expected_wait import ExpectedWait
from api_gateway.resilience.priority import Priority
from api_gateway.simulation import SimulationDeadlock, VirtualClock, run

PRIORITY = RequestPriority(header="p", trust_header=True)

_T = TypeVar("_T")


def request(priority: str = "default") -> Request:
    return Request("GET", "/", {"p": priority})


def context(left: float | None = None) -> RequestContext:
    """A context of now, with so many seconds left."""
    now = VirtualClock().monotonic()
    found = RequestContext(now)
    if left is not None:
        found.deadline = now + round(left * NANOSECONDS)
    return found


class Service:
    """Works on each request for `seconds`, and says when it began with whom."""

    def __init__(self, seconds: float = 1.0, body: Callable[[], AsyncIterator[bytes]] | None = None) -> None:
        self.seconds = seconds
        self.body = body
        self.began: list[float] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.began.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        return Response(200, body=self.body() if self.body else b"done")


def virtually(test: Callable[[], Coroutine[object, object, None]]) -> None:
    run(test)


def start(work: Awaitable[_T]) -> asyncio.Task[_T]:
    async def go() -> _T:
        return await work

    return asyncio.create_task(go())


async def statuses(handler: Handler, count: int, left: float | None = None) -> list[int | str]:
    """What becomes of so many at once: a status, or the name of an error."""
    results = await asyncio.gather(
        *(handler(request(), context(left)) for _ in range(count)),
        return_exceptions=True,
    )
    return [result.status if isinstance(result, Response) else type(result).__name__ for result in results]


def test_no_more_than_the_limit_at_once_and_the_rest_in_order() -> None:
    async def main() -> None:
        service, bulkhead = Service(), BulkheadMiddleware(2, 3, clock=VirtualClock())
        found = await statuses(chain([bulkhead], service), 7)
        assert found == [200] * 5 + ["Overloaded"] * 2
        assert service.began == [0, 0, 1, 1, 2]
        assert service.most_at_once == 2
        assert bulkhead.refusals == {(Priority.DEFAULT, "full"): 2}
        assert (bulkhead.in_flight, bulkhead.queued) == (0, 0)

    virtually(main)


def test_a_refusal_takes_no_time_and_never_reaches_the_service() -> None:
    async def main() -> None:
        service, bulkhead = Service(), BulkheadMiddleware(1, clock=VirtualClock())
        first = start(bulkhead(request(), context(), service))
        await asyncio.sleep(0.5)
        with pytest.raises(Overloaded) as caught:
            await bulkhead(request(), context(), service)
        assert asyncio.get_running_loop().time() == 0.5
        assert caught.value.headers.get("retry-after") is None
        assert (await first).status == 200
        assert len(service.began) == 1

    virtually(main)


def test_behind_a_gateway_a_refusal_is_503_with_the_flag_om() -> None:
    async def main() -> None:
        service, clock = Service(), VirtualClock()
        bulkhead = BulkheadMiddleware(1, clock=clock)
        gateway = ApiGateway(Router([Route("/*", "s")]), {"s": chain([bulkhead], service)}, clock=clock)
        first = start(gateway.handle(Request("GET", "/")))
        await asyncio.sleep(0.1)
        refused = RequestContext()
        assert (await gateway.handle(Request("GET", "/"), refused)).status == 503
        assert refused.flag == "OM"
        await (await first).close()

    virtually(main)


@pytest.mark.parametrize("ending", ["read", "close", "close twice", "breaks off"])
def test_a_place_is_held_until_the_body_is_finished(ending: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        if ending == "breaks off":
            raise UpstreamReset
        yield b"b"

    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, clock=VirtualClock())
        response = await bulkhead(request(), context(), Service(body=body))
        assert bulkhead.in_flight == 1
        if ending == "breaks off":
            with pytest.raises(UpstreamReset):
                await response.read()
        elif ending == "read":
            assert await response.read() == b"ab"
        else:
            await response.close()
        if ending == "close twice":
            await response.close()
        assert bulkhead.in_flight == 0

    virtually(main)


def test_the_next_begins_when_the_body_before_it_ends() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(5)
        yield b"b"

    async def main() -> None:
        service, bulkhead = Service(body=body), BulkheadMiddleware(1, 1, clock=VirtualClock())
        first = await bulkhead(request(), context(), service)
        second = start(bulkhead(request(), context(), service))
        assert await first.read() == b"ab"
        await (await second).close()
        assert service.began == [0, 6]

    virtually(main)


@pytest.mark.parametrize("error", [ConnectFailed(), ValueError("defect")])
def test_a_call_that_fails_gives_its_place_back(error: Exception) -> None:
    async def fails(request: Request, context: RequestContext) -> Response:
        raise error

    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, clock=VirtualClock())
        with pytest.raises(type(error)):
            await bulkhead(request(), context(), fails)
        assert bulkhead.in_flight == 0

    virtually(main)


def test_a_call_whose_client_leaves_gives_its_place_to_who_waits() -> None:
    async def main() -> None:
        service, bulkhead = Service(), BulkheadMiddleware(1, 1, clock=VirtualClock())
        first = start(bulkhead(request(), context(), service))
        second = start(bulkhead(request(), context(), service))
        await asyncio.sleep(0.25)
        first.cancel()
        await second
        assert service.began == [0, 0.25]
        assert bulkhead.in_flight == 0

    virtually(main)


def test_one_that_leaves_while_waiting_makes_room_at_once_and_is_never_called() -> None:
    async def main() -> None:
        service, bulkhead = Service(), BulkheadMiddleware(1, 1, clock=VirtualClock())
        first = start(bulkhead(request(), context(), service))
        waits = start(bulkhead(request(), context(), service))
        await asyncio.sleep(0.25)
        assert bulkhead.queued == 1
        waits.cancel()
        await asyncio.wait([waits])
        assert bulkhead.queued == 0
        third = start(bulkhead(request(), context(), service))
        await asyncio.gather(first, third)
        assert service.began == [0, 1]
        assert not bulkhead.refusals

    virtually(main)


@pytest.mark.parametrize("order", ["granted, then cancelled", "cancelled, then granted"])
def test_a_place_granted_in_the_tick_of_a_cancellation_is_handed_on(order: str) -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 2, clock=VirtualClock())
        response = await bulkhead(request(), context(), Service(0, body=endless))
        service = Service()
        leaves = start(bulkhead(request(), context(), service))
        stays = start(bulkhead(request(), context(), service))
        await asyncio.sleep(1)
        assert bulkhead.queued == 2
        if order == "granted, then cancelled":
            await response.close()
            leaves.cancel()
        else:
            leaves.cancel()
            await response.close()
        assert (await stays).status == 200
        assert leaves.cancelled()
        assert service.began == [1]
        assert (bulkhead.in_flight, bulkhead.queued) == (0, 0)

    virtually(main)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"."


def test_a_waiting_request_leaves_at_its_deadline_with_504() -> None:
    async def main() -> None:
        service, bulkhead = Service(10), BulkheadMiddleware(1, 1, clock=VirtualClock())
        first = start(bulkhead(request(), context(), service))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await bulkhead(request(), context(left=2), service)
        assert asyncio.get_running_loop().time() == 2
        assert bulkhead.queued == 0
        assert bulkhead.refusals == {(Priority.DEFAULT, "late"): 1}
        await first
        assert len(service.began) == 1

    virtually(main)


def test_under_a_deadline_middleware_the_answer_is_the_same() -> None:
    async def main() -> None:
        clock = VirtualClock()
        service, bulkhead = Service(10), BulkheadMiddleware(1, 1, clock=clock)
        handler = chain([DeadlineMiddleware(2, clock), bulkhead], service)
        assert await statuses(handler, 2) == ["DeadlineExceeded", "DeadlineExceeded"]
        assert asyncio.get_running_loop().time() == 2
        assert (bulkhead.in_flight, bulkhead.queued) == (0, 0)

    virtually(main)


def test_nobody_waits_longer_than_max_wait() -> None:
    async def main() -> None:
        service, bulkhead = Service(10), BulkheadMiddleware(1, 5, max_wait=2, clock=VirtualClock())
        assert await statuses(chain([bulkhead], service), 3) == [200, "Overloaded", "Overloaded"]
        assert bulkhead.refusals == {(Priority.DEFAULT, "late"): 2}

    virtually(main)


def test_of_max_wait_and_the_deadline_the_earlier_ends_the_wait() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 5, max_wait=2, clock=VirtualClock())
        first = start(bulkhead(request(), context(), Service(10)))
        await asyncio.sleep(0)
        for left, error, at in ((5, Overloaded, 2), (1, DeadlineExceeded, 3)):
            with pytest.raises(error):
                await bulkhead(request(), context(left), Service())
            assert asyncio.get_running_loop().time() == at
        await first

    virtually(main)


def test_nothing_is_left_in_the_event_loop_of_one_that_waited() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 5, max_wait=1000, clock=VirtualClock())
        await statuses(chain([bulkhead], Service()), 3)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimulationDeadlock, match="at 3 s nothing is scheduled"):
        run(main)


def learnt(seconds: float) -> ExpectedWait:
    expected = ExpectedWait()
    for _ in range(100):
        expected.record(round(seconds * NANOSECONDS))
    return expected


def test_who_would_be_served_too_late_is_refused_at_once() -> None:
    async def main() -> None:
        service = Service(1)
        bulkhead = BulkheadMiddleware(1, 9, expected_wait=learnt(1), clock=VirtualClock())
        # One at once, then one each second; each takes a second, or so: of 3.2 s the third's wait would leave 0.2.
        assert await statuses(chain([bulkhead], service), 5, left=3.2) == [200, 200, 200, "Overloaded", "Overloaded"]
        assert bulkhead.refusals == {(Priority.DEFAULT, "hopeless"): 2}

    virtually(main)


def test_a_wait_longer_than_expected_ends_when_no_time_is_left_for_the_service() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 9, expected_wait=learnt(1), clock=VirtualClock())
        first = start(bulkhead(request(), context(), Service(100)))  # slower than ever before
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await bulkhead(request(), context(left=5), Service())
        assert 3.8 < asyncio.get_running_loop().time() <= 4  # a second before the deadline
        first.cancel()

    virtually(main)


def test_a_free_place_is_given_to_whoever_comes_whatever_time_is_left() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 9, expected_wait=learnt(1), clock=VirtualClock())
        assert (await bulkhead(request(), context(left=0.1), Service(0.05))).status == 200

    virtually(main)


def test_what_is_late_already_is_a_504() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 9, clock=VirtualClock())
        first = start(bulkhead(request(), context(), Service()))
        late = context(left=0.5)
        await asyncio.sleep(0.75)
        with pytest.raises(DeadlineExceeded):
            await bulkhead(request(), late, Service())
        await first

    virtually(main)


def test_retry_after_is_when_all_who_wait_will_have_been_served() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 3, expected_wait=learnt(2.5), clock=VirtualClock())
        tasks = [start(bulkhead(request(), context(), Service(2.5))) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as caught:
            await bulkhead(request(), context(), Service())
        assert caught.value.headers.get("retry-after") == "10"
        await asyncio.gather(*tasks)

    virtually(main)


def test_higher_classes_go_first_and_displace_lower_ones() -> None:
    async def main() -> None:
        order: list[str | None] = []

        async def service(request: Request, context: RequestContext) -> Response:
            order.append(request.header("p"))
            await asyncio.sleep(1)
            return Response()

        bulkhead = BulkheadMiddleware(1, 2, priority_of=PRIORITY, clock=VirtualClock())
        names = ["default", "sheddable", "default", "critical", "critical", "default"]
        tasks = [start(bulkhead(request(name), context(), service)) for name in names]
        await asyncio.wait(tasks)
        assert order == ["default", "critical", "critical"]
        assert bulkhead.refusals == {
            (Priority.SHEDDABLE, "displaced"): 1,
            (Priority.DEFAULT, "displaced"): 1,
            (Priority.DEFAULT, "full"): 1,
        }
        assert [type(task.exception()).__name__ for task in tasks[1:3]] == ["Overloaded", "Overloaded"]

    virtually(main)


def test_one_that_leaves_in_the_tick_in_which_it_is_displaced_just_leaves() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 1, priority_of=PRIORITY, clock=VirtualClock())
        first = start(bulkhead(request(), context(), Service()))
        leaves = start(bulkhead(request("sheddable"), context(), Service()))
        await asyncio.sleep(0.5)
        higher = start(bulkhead(request("critical"), context(), Service()))
        leaves.cancel()  # in the queue until it runs, which is after the higher one has
        await asyncio.wait([first, leaves, higher])
        assert leaves.cancelled()
        assert higher.result().status == 200
        assert (bulkhead.in_flight, bulkhead.queued) == (0, 0)

    virtually(main)


def test_the_expected_wait_counts_only_those_who_would_go_first() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(1, 9, priority_of=PRIORITY, expected_wait=learnt(1), clock=VirtualClock())
        tasks = [start(bulkhead(request("sheddable"), context(), Service())) for _ in range(6)]
        await asyncio.sleep(0)
        critical = start(bulkhead(request("critical"), context(left=2.2), Service()))
        with pytest.raises(Overloaded):
            await bulkhead(request("sheddable"), context(left=2.2), Service())
        assert (await critical).status == 200
        await asyncio.gather(*tasks)

    virtually(main)


class Scripted:
    """An adaptive limit that does as it is told."""

    def __init__(self, *limits: int) -> None:
        self.limits = list(limits)
        self.limit = self.limits.pop(0)
        self.calls: list[tuple[float, int, bool]] = []

    def record(self, started: int, now: int, in_flight: int, *, dropped: bool = False) -> None:
        self.calls.append(((now - started) / NANOSECONDS, in_flight, dropped))
        if self.limits:
            self.limit = self.limits.pop(0)


def test_when_the_limit_rises_all_who_fit_go_on() -> None:
    async def main() -> None:
        service, adaptive = Service(), Scripted(1, 3)
        bulkhead = BulkheadMiddleware(adaptive, 9, clock=VirtualClock())
        assert await statuses(chain([bulkhead], service), 5) == [200] * 5
        assert service.began == [0, 1, 1, 1, 2]
        assert adaptive.calls == [(1, 1, False), (1, 3, False), (1, 3, False), (1, 2, False), (1, 1, False)]
        assert bulkhead.limit == 3

    virtually(main)


def test_a_limit_that_rises_at_the_head_of_a_stream_lets_others_go_on_before_its_end() -> None:
    async def main() -> None:
        bulkhead = BulkheadMiddleware(Scripted(1, 2), 9, clock=VirtualClock())
        first = start(bulkhead(request(), context(), Service(body=endless)))
        second = start(bulkhead(request(), context(), Service()))
        stream = await first
        assert (await second).status == 200
        assert bulkhead.in_flight == 1
        await stream.close()

    virtually(main)


def test_when_the_limit_falls_nobody_goes_on_until_it_is_kept() -> None:
    async def main() -> None:
        service, adaptive = Service(), Scripted(3, 1)
        bulkhead = BulkheadMiddleware(adaptive, 9, clock=VirtualClock())
        assert await statuses(chain([bulkhead], service), 5) == [200] * 5
        assert service.began == [0, 0, 0, 1, 2]

    virtually(main)


def test_a_limit_learns_from_the_head_and_not_from_who_reads_slowly() -> None:
    async def main() -> None:
        adaptive = Scripted(5)
        bulkhead = BulkheadMiddleware(adaptive, clock=VirtualClock())
        response = await bulkhead(request(), context(), Service(body=endless))
        await asyncio.sleep(100)
        await response.close()
        assert adaptive.calls == [(1, 1, False)]

    virtually(main)


def test_a_limit_learns_of_drops_and_not_of_clients_that_left() -> None:
    async def refuses(request: Request, context: RequestContext) -> Response:
        raise ConnectFailed

    async def main() -> None:
        adaptive, clock = Scripted(5), VirtualClock()
        bulkhead = BulkheadMiddleware(adaptive, clock=clock)
        with pytest.raises(ConnectFailed):
            await bulkhead(request(), context(), refuses)
        assert adaptive.calls.pop() == (0, 1, True)
        leaves = start(bulkhead(request(), context(), Service()))
        await asyncio.sleep(0.5)
        leaves.cancel()
        await asyncio.wait([leaves])
        assert adaptive.calls == []
        with pytest.raises(DeadlineExceeded):
            await chain([DeadlineMiddleware(0.25, clock), bulkhead], Service())(request(), context())
        assert adaptive.calls == [(0.25, 1, True)]

    virtually(main)


@pytest.mark.parametrize(("leaves", "known"), [(False, True), (True, False)])
def test_how_long_the_service_takes_is_learnt_from_bodies_that_end_and_not_from_clients_that_leave(
    leaves: bool, known: bool
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(1)
        yield b"b"

    async def main() -> None:
        expected = ExpectedWait()
        bulkhead = BulkheadMiddleware(1, 1, expected_wait=expected, clock=VirtualClock())
        for _ in range(20):
            response = await bulkhead(request(), context(), Service(body=body))
            await (response.close() if leaves else response.read())
        assert (expected.service >= 2 * NANOSECONDS) is known
        assert expected.wait(0, 1) == (1 if leaves else 2) * NANOSECONDS

    virtually(main)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_place_comes_back(seed: int) -> None:
    """Clients that leave at any moment, deadlines, failures, streams: the counts return to zero."""

    async def main() -> None:
        random, clock = Random(seed), VirtualClock()
        bulkhead = BulkheadMiddleware(
            Scripted(*(random.randint(1, 5) for _ in range(300))),
            4,
            priority_of=PRIORITY,
            expected_wait=ExpectedWait(),
            clock=clock,
        )
        most = 0

        async def service(request: Request, context: RequestContext) -> Response:
            nonlocal most
            most = max(most, bulkhead.in_flight)
            await asyncio.sleep(random.choice([0, 1, 2, 3]))
            if random.random() < 0.2:
                raise ConnectFailed
            return Response(200, body=endless() if random.random() < 0.3 else b"")

        async def client() -> None:
            await asyncio.sleep(random.randint(0, 100))
            name = random.choice(["critical", "default", "sheddable"])
            left = random.choice([None, 1, 2, 3])
            try:
                response = await bulkhead(request(name), context(left), service)
            except (Overloaded, DeadlineExceeded, ConnectFailed):
                return
            try:
                await asyncio.sleep(random.randint(0, 2))
            finally:
                await response.close()

        clients = [asyncio.create_task(client()) for _ in range(400)]
        for task in clients[::3]:
            asyncio.get_running_loop().call_later(random.randint(0, 100), task.cancel)
        done, _ = await asyncio.wait(clients)
        assert [task.exception() for task in done if not task.cancelled() and task.exception()] == []
        assert (bulkhead.in_flight, bulkhead.queued) == (0, 0)
        assert 1 < most <= 5
        assert sum(bulkhead.refusals.values()) > 20

    virtually(main)


def test_numbers_that_make_no_sense_are_errors() -> None:
    for limit, queue, max_wait in ((0, 0, None), (1, -1, None), (1, 1, 0.0)):
        with pytest.raises(ValueError, match="must"):
            BulkheadMiddleware(limit, queue, max_wait=max_wait)
