import asyncio
from random import Random

import pytest

from api_gateway import Request, RequestContext
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamTimeout
from api_gateway.simulation import FakeService, Fault, run
from api_gateway.simulation.impatient_transport import ImpatientTransport
from api_gateway.transport.in_process import InProcessTransport

GET = Request("GET", "/")
URL = "in-process://s"


def impatient(service: FakeService, seconds: float = 1.0) -> ImpatientTransport:
    return ImpatientTransport(InProcessTransport({URL: service}), seconds)


def test_an_answer_in_time_passes() -> None:
    async def main() -> None:
        response = await impatient(FakeService(0.9, random=Random(1))).send(URL, GET, RequestContext())
        assert response.status == 200

    run(main)


def test_a_late_one_is_a_timeout_at_its_moment_and_the_service_goes_on_with_it() -> None:
    async def main() -> None:
        service = FakeService(1.5, random=Random(1))
        with pytest.raises(UpstreamTimeout, match="no answer within 1 s") as caught:
            await impatient(service).send(URL, GET, RequestContext())
        assert caught.value.sent
        assert asyncio.get_running_loop().time() == 1
        assert service.busy == 1
        await asyncio.sleep(1)
        assert (service.busy, service.wasted) == (0, 1)

    run(main)


def test_other_errors_and_a_caller_that_leaves_pass_as_they_are() -> None:
    async def main() -> None:
        refusing = FakeService(0.1, faults=[Fault("refuse", 0, 9)], random=Random(1))
        with pytest.raises(ConnectFailed):
            await impatient(refusing).send(URL, GET, RequestContext())
        task = asyncio.create_task(impatient(FakeService(5, random=Random(1))).send(URL, GET, RequestContext()))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_a_time_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="a timeout must be positive, not 0"):
        impatient(FakeService(1, random=Random(1)), 0)
