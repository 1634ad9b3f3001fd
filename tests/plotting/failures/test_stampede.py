import asyncio
import math

import pytest

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.plotting.failures.stampede import Remembered, recomputations, stampede, two_stampedes
from api_gateway.simulation import run
from tests.support.figures import ys

GET = Request("GET", "/a")


@pytest.mark.parametrize(("single_flight", "calls", "last"), [(False, 1000, 5.0), (True, 1, 0.05)])
def test_a_thousand_calls_or_one(single_flight: bool, calls: int, last: float) -> None:
    found = stampede(single_flight=single_flight)
    assert found.calls == calls
    assert len(found.answered) == 1000
    assert found.answered[-1] == pytest.approx(last)


def test_the_first_one_may_leave_and_the_others_still_get_the_answer() -> None:
    async def main() -> tuple[int, int, bytes]:
        calls = 0

        async def service(request: Request, context: RequestContext) -> Response:
            nonlocal calls
            calls += 1
            await asyncio.sleep(1)
            return Response(200, body=b"x")

        cache = Remembered(single_flight=True)
        first = asyncio.create_task(cache(GET, RequestContext(), service))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(cache(GET, RequestContext(), service))
        await asyncio.sleep(0.1)
        first.cancel()
        response = await second
        later = await cache(GET, RequestContext(), service)
        return calls, later.status, await response.read()

    assert run(main) == (1, 200, b"x")


def test_a_failure_is_not_remembered() -> None:
    async def main() -> int:
        async def breaks(request: Request, context: RequestContext) -> Response:
            raise UpstreamReset("gone")

        async def works(request: Request, context: RequestContext) -> Response:
            return Response(200)

        cache = Remembered(single_flight=True)
        with pytest.raises(UpstreamReset):
            await cache(GET, RequestContext(), breaks)
        return (await cache(GET, RequestContext(), works)).status

    assert run(main) == 200


def test_other_paths_are_other_answers() -> None:
    async def main() -> list[bytes]:
        async def service(request: Request, context: RequestContext) -> Response:
            await asyncio.sleep(1)
            return Response(200, body=request.path.encode())

        cache = Remembered(single_flight=True)
        asked = [cache(Request("GET", path), RequestContext(), service) for path in ("/a", "/b", "/a")]
        return [await response.read() for response in await asyncio.gather(*asked)]

    assert run(main) == [b"/a", b"/b", b"/a"]


def test_without_early_expiry_all_who_come_meanwhile_ask() -> None:
    assert recomputations(0, rounds=50) == pytest.approx(1 + 1000 * 0.2, rel=0.03)


@pytest.mark.parametrize("beta", [1, 2])
def test_with_it_a_constant_number_does(beta: float) -> None:
    assert recomputations(beta, rounds=500) == pytest.approx(math.exp(1 / beta), rel=0.1)
    slower = recomputations(beta, rate=100.0, rounds=500)
    assert slower == pytest.approx(math.exp(1 / beta), rel=0.15)  # whatever the rate


def test_each_stampede_has_a_panel() -> None:
    found = {"a": stampede(single_flight=False, requests=40), "b": stampede(single_flight=True, requests=40)}
    figure, last = two_stampedes(found, "H")
    assert last == {"a": pytest.approx(0.2), "b": 0.05}
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a: 40 calls", "b: 1 call"]
    assert max(ys(figure.axes[0].lines[0])) == 40
    assert [text.get_text() for text in figure.axes[1].texts] == ["answered", "at the database"]
