"""Metrics: what is counted, when, under which labels; nothing collides, nothing grows without bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from api_gateway import ApiGateway, BackendService, Endpoint, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ClientDisconnected
from api_gateway.core.upstream_errors import UpstreamReset, UpstreamTimeout
from api_gateway.middleware.metrics.metrics_middleware import BUCKETS, MetricsMiddleware
from api_gateway.transport.in_process import InProcessTransport


class World:
    """A gateway with metrics, one service, and a clock that is moved by hand."""

    def __init__(self, service: Handler) -> None:
        self.clock = ManualClock()
        self.metrics = MetricsMiddleware(clock=self.clock)
        self.gateway = ApiGateway(
            Router([Route("/users/*", "users", name="u")]),
            {
                "users": BackendService(
                    "users", [Endpoint("http://u:1")], InProcessTransport({"http://u:1": service}), clock=self.clock
                )
            },
            [self.metrics],
            clock=self.clock,
        )

    async def ask(self, target: str = "/users/42", method: str = "GET") -> Response:
        return await self.gateway.handle(Request(method, target))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"api_gateway_{name}", labels)

    @property
    def in_flight(self) -> float | None:
        return self.value("requests_in_flight")

    def series(self) -> int:
        return sum(len(metric.samples) for metric in self.metrics.registry.collect())


async def plain(request: Request, context: RequestContext) -> Response:
    return Response.text("x" * 150)


async def test_a_complete_response_counts_at_once() -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        world.clock.advance(0.03)
        assert world.in_flight == 1
        return Response.text("x" * 150)

    world = World(users)
    await world.ask()
    assert world.value("requests_total", route="u", method="GET", status="200") == 1
    assert world.value("response_body_bytes_total", route="u") == 150
    assert world.value("request_duration_seconds_count", route="u") == 1
    assert world.value("request_duration_seconds_sum", route="u") == pytest.approx(0.03)
    assert world.value("request_duration_seconds_bucket", route="u", le="0.025") == 0
    assert world.value("request_duration_seconds_bucket", route="u", le="0.05") == 1
    assert world.value("upstream_duration_seconds_sum", service="users") == pytest.approx(0.03)
    assert world.value("upstream_duration_seconds_count", service="users") == 1
    assert world.in_flight == 0


async def test_a_streamed_response_counts_when_it_is_finished() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            world.clock.advance(1.0)
            yield b"12345"

    async def users(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    world = World(users)
    response = await world.ask()
    assert world.value("requests_total", route="u", method="GET", status="200") is None
    assert world.in_flight == 1
    await response.read()
    assert world.value("requests_total", route="u", method="GET", status="200") == 1
    assert world.value("response_body_bytes_total", route="u") == 15
    assert world.value("request_duration_seconds_sum", route="u") == pytest.approx(3.0)
    assert world.value("refusals_total", flag="DC", route="u") is None
    assert world.in_flight == 0


async def test_a_refusal_counts_under_its_flag_and_asks_nobody() -> None:
    world = World(plain)
    await world.ask("/nowhere")
    assert world.value("requests_total", route="none", method="GET", status="404") == 1
    assert world.value("refusals_total", flag="NR", route="none") == 1
    assert world.value("upstream_duration_seconds_count", service="") is None


async def test_an_upstream_failure_counts_under_its_flag_and_its_route() -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        world.clock.advance(3.0)
        raise UpstreamTimeout("late")

    world = World(users)
    await world.ask()
    assert world.value("requests_total", route="u", method="GET", status="504") == 1
    assert world.value("refusals_total", flag="UT", route="u") == 1
    assert world.value("upstream_duration_seconds_sum", service="users") == pytest.approx(3.0)


async def test_an_error_that_the_service_answers_is_no_refusal() -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        return Response(503)

    world = World(users)
    await world.ask()
    assert world.value("requests_total", route="u", method="GET", status="503") == 1
    assert "refusals_total{" not in generate_latest(world.metrics.registry).decode()


async def test_a_cut_body_counts_with_the_bytes_that_went_and_the_flag_of_its_error() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"12345"
        raise UpstreamReset("cut")

    async def users(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    world = World(users)
    response = await world.ask()
    with pytest.raises(UpstreamReset):
        await response.read()
    assert world.value("requests_total", route="u", method="GET", status="200") == 1
    assert world.value("refusals_total", flag="UC", route="u") == 1
    assert world.value("response_body_bytes_total", route="u") == 5
    assert world.in_flight == 0


async def test_a_discarded_stream_is_a_client_that_left() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"never taken"

    async def users(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    world = World(users)
    await (await world.ask()).close()
    assert world.value("refusals_total", flag="DC", route="u") == 1
    assert world.in_flight == 0


async def test_a_cancelled_request_counts_as_499() -> None:
    asked = asyncio.Event()

    async def users(request: Request, context: RequestContext) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    world = World(users)
    work = asyncio.create_task(world.ask())
    await asked.wait()
    assert world.in_flight == 1
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert world.value("requests_total", route="u", method="GET", status="499") == 1
    assert world.value("refusals_total", flag="DC", route="u") == 1
    assert world.in_flight == 0


async def test_a_client_that_leaves_during_its_upload_counts_as_499() -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        raise ClientDisconnected("gone")

    world = World(users)
    with pytest.raises(ClientDisconnected):
        await world.ask()
    assert world.value("requests_total", route="u", method="GET", status="499") == 1
    assert world.in_flight == 0


async def test_a_defect_of_another_observer_leaves_nothing_in_flight() -> None:
    async def broken(request: Request, context: RequestContext) -> Response:
        raise ZeroDivisionError

    metrics = MetricsMiddleware()
    with pytest.raises(ZeroDivisionError):
        await metrics(Request("GET", "/"), RequestContext(), broken)
    assert metrics.registry.get_sample_value("api_gateway_requests_in_flight") == 0


async def test_made_up_methods_and_paths_add_no_series() -> None:
    world = World(plain)
    await world.ask("/nowhere", "BREW")
    series = world.series()
    for number in range(50):
        await world.ask(f"/nowhere/{number}", f"BREW{number}")
    assert world.series() == series
    assert world.value("requests_total", route="none", method="OTHER", status="404") == 51


@pytest.mark.parametrize("status", [0, 99, 600, 10**9])
async def test_a_status_that_is_none_counts_as_the_defect_it_is(status: int) -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        return Response(status)

    world = World(users)
    await world.ask()
    assert world.value("requests_total", route="u", method="GET", status="500") == 1
    assert world.value("refusals_total", flag="IE", route="u") == 1


async def test_two_gateways_do_not_share_their_numbers() -> None:
    one, other = World(plain), World(plain)
    await one.ask()
    assert one.value("requests_total", route="u", method="GET", status="200") == 1
    assert other.value("requests_total", route="u", method="GET", status="200") is None


async def test_the_registry_that_is_given_is_used_even_if_empty() -> None:
    registry = CollectorRegistry()
    assert MetricsMiddleware(registry).registry is registry
    assert b"api_gateway_requests_in_flight 0.0" in generate_latest(registry)


def test_two_instances_cannot_take_one_registry() -> None:
    registry = CollectorRegistry()
    MetricsMiddleware(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        MetricsMiddleware(registry)


def test_the_librarys_global_registry_is_left_alone() -> None:
    MetricsMiddleware()
    assert not [name for metric in REGISTRY.collect() if (name := metric.name).startswith("api_gateway")]


def test_buckets_rise() -> None:
    assert list(BUCKETS) == sorted(set(BUCKETS))
