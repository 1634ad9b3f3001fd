"""The fake service: workers, queue, faults, and callers that leave."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.simulation import run
from api_gateway.simulation.fake_service import FakeService
from api_gateway.simulation.fault import Fault

REQUEST = Request("GET", "/")


async def ask(service: FakeService) -> tuple[int, float]:
    response = await service(REQUEST, RequestContext())
    await response.read()
    return response.status, asyncio.get_running_loop().time()


def outcomes(service: FakeService, requests: int) -> list[tuple[int, float]]:
    async def main() -> list[tuple[int, float]]:
        return list(await asyncio.gather(*(ask(service) for _ in range(requests))))

    return run(main)


def test_workers_serve_at_once_and_the_rest_wait_their_turn() -> None:
    service = FakeService(2.0, workers=2, random=Random(1))
    assert outcomes(service, 5) == [(200, 2), (200, 2), (200, 4), (200, 4), (200, 6)]
    assert (service.served, service.present, service.capacity) == (5, 0, 1.0)


def test_a_full_queue_refuses_at_once() -> None:
    service = FakeService(2.0, workers=1, queue=2, random=Random(1))
    assert outcomes(service, 5) == [(200, 2), (200, 4), (200, 6), (503, 0), (503, 0)]
    assert (service.served, service.refused) == (3, 2)


def test_errors_take_their_time_and_come_at_their_rate() -> None:
    service = FakeService(1.0, workers=1000, error_rate=0.25, random=Random(3))
    statuses = [status for status, _ in outcomes(service, 1000)]
    assert statuses.count(500) == pytest.approx(250, abs=40)


@pytest.mark.parametrize(("notices", "patient_is_served_at"), [(False, 30), (True, 20)])
def test_work_for_a_caller_that_has_gone_is_done_unless_the_service_looks(
    notices: bool, patient_is_served_at: float
) -> None:
    async def main() -> tuple[float, int]:
        service = FakeService(10.0, workers=1, notices_departures=notices, random=Random(1))
        first = asyncio.create_task(ask(service))
        impatient = asyncio.create_task(ask(service))
        await asyncio.sleep(1)
        impatient.cancel()
        _, at = await ask(service)  # of the impatient one's ten seconds either all are spent first, or none
        assert first.done()
        assert service.present == 0
        return at, service.wasted

    assert run(main) == (patient_is_served_at, 1)


def test_a_worker_that_has_begun_goes_on_when_its_caller_leaves() -> None:
    async def main() -> tuple[float, int, int]:
        service = FakeService(10.0, workers=1, notices_departures=True, random=Random(1))
        gone = asyncio.create_task(ask(service))
        await asyncio.sleep(1)
        gone.cancel()
        _, at = await ask(service)
        return at, service.served, service.wasted

    assert run(main) == (20, 1, 1)


def test_faults_come_and_go() -> None:
    async def main() -> list[str]:
        faults = [Fault("refuse", 10, 20), Fault("slow", 30, 40, factor=10), Fault("reset", 50, 60)]
        service = FakeService(1.0, faults=faults, random=Random(1))
        loop = asyncio.get_running_loop()
        seen = []
        for begin in (0, 10, 20, 30, 45, 50, 60):
            await asyncio.sleep(begin - loop.time())
            try:
                seen.append(f"{begin}: {(await ask(service))[0]} after {loop.time() - begin:g}")
            except (ConnectFailed, UpstreamReset) as error:
                seen.append(f"{begin}: {type(error).__name__} after {loop.time() - begin:g}")
        return seen

    assert run(main) == [
        "0: 200 after 1",
        "10: ConnectFailed after 0",
        "20: 200 after 1",
        "30: 200 after 10",
        "45: 200 after 1",
        "50: UpstreamReset after 1",
        "60: 200 after 1",
    ]


def test_a_service_that_hangs_never_answers_and_holds_no_worker() -> None:
    async def main() -> tuple[int, float]:
        service = FakeService(1.0, faults=[Fault("hang", 0, 5)], random=Random(1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await ask(service)
        return await ask(service)

    assert run(main) == (200, 101)


def test_a_body_that_breaks_off_gives_its_first_half() -> None:
    async def main() -> tuple[Response, list[bytes]]:
        service = FakeService(1.0, faults=[Fault("reset", 0)], random=Random(1))
        response = await service(REQUEST, RequestContext())
        stream = response.stream()
        chunks = [await anext(stream)]
        with pytest.raises(UpstreamReset):
            await anext(stream)
        return response, chunks

    response, chunks = run(main)
    assert int(response.header("content-length") or 0) // 2 == len(b"".join(chunks))
    assert not response.complete


def test_flapping_is_down_in_the_first_half_of_each_period() -> None:
    fault = Fault("refuse", 10, 14, period=2)
    assert [fault.active(time) for time in (9, 10, 10.9, 11, 12, 12.9, 13, 14)] == [
        False, True, True, False, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fault",
    [
        lambda: Fault("refuse", 5, 5),
        lambda: Fault("slow", 0, 1, factor=0),
        lambda: Fault("refuse", 0, 1, period=0),
        lambda: Fault("melt", 0, 1),  # type: ignore[arg-type]  # the mistake that is tested
    ],
)
def test_a_fault_that_cannot_be_is_an_error(fault: object) -> None:
    assert callable(fault)
    with pytest.raises(ValueError, match="fault"):
        fault()


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"queue": -1}, {"error_rate": 1.5}])
def test_a_service_that_cannot_be_is_an_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not a service"):
        FakeService(1.0, random=Random(1), **wrong)  # type: ignore[arg-type]  # the mistake that is tested
