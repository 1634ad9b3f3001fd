from api_gateway import Request, RequestContext
from benchmarks.machine import Machine
from benchmarks.pipeline import rows, run


async def test_every_row_reaches_the_service() -> None:
    for name, handler in rows().items():
        response = await handler(Request("GET", "/api/users/42", {"host": "a"}), RequestContext())
        assert (response.status, await response.read()) == (200, b"{}"), name


async def test_each_row_has_one_layer_more() -> None:
    context = RequestContext()
    response = await list(rows().values())[-1](Request("GET", "/api/users/42", {"host": "a"}), context)
    assert context.route == "/api/users/*"
    assert context.deadline is not None
    assert context.request_id
    assert response.header("x-request-id") == context.request_id
    assert [name for name in rows() if name.startswith("+")] == [
        "+ deadline",
        "+ forwarded",
        "+ request id",
        "+ metrics",
        "+ rate limit",
    ]
    assert response.header("ratelimit") is not None


def test_the_bar_is_on_the_layers_that_every_gateway_has() -> None:
    report = run(Machine(()), requests=64, rounds=1)
    costs = report.figures["cpu_microseconds"]
    assert isinstance(costs, dict)
    assert list(costs) == list(rows())
    assert report.bars[0].value == costs["+ metrics"] > 0
