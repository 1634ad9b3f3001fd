"""The admin pages over a gateway in this process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from html.parser import HTMLParser

import httpx2 as httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from api_gateway import ApiGateway, BackendService, Endpoint, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.middleware.metrics.metrics_middleware import MetricsMiddleware
from api_gateway.middleware.request_id import RequestIdMiddleware
from api_gateway.server.admin import admin_app
from api_gateway.server.cache_admin import LocalPurger
from api_gateway.server.status import (
    EndpointStatus,
    LocalStatus,
    Phase,
    RouteStatus,
    ServicesReport,
    ServiceStatus,
    Status,
)
from api_gateway.transport.in_process import InProcessTransport


async def _answer(request: Request, context: RequestContext) -> Response:
    return Response(200, {"content-type": "text/plain"}, b"hello")


async def _stream(request: Request, context: RequestContext) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"

    return Response(200, {}, chunks())


async def on_the_route(request: Request, context: RequestContext, call_next: Handler) -> Response:
    return await call_next(request, context)


def _gateway() -> ApiGateway:
    endpoints = [Endpoint("in-process://a"), Endpoint("in-process://b", weight=5)]
    transport = InProcessTransport({"in-process://a": _stream, "in-process://b": _answer})
    return ApiGateway(
        Router(
            [
                Route("/users/*", "users", methods=["GET"], hosts=["api.example.com"], middleware=[on_the_route]),
                Route("/plain", "plain", name="the plain one"),
            ]
        ),
        {"users": BackendService("users", endpoints, transport), "plain": _answer},
        [RequestIdMiddleware(), MetricsMiddleware()],
    )


def _client(status: Status) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=admin_app(status, LocalPurger(_gateway())))
    return httpx.AsyncClient(transport=transport, base_url="http://admin")


async def _get(status: Status, path: str, **headers: str) -> httpx.Response:
    async with _client(status) as client:
        return await client.get(path, headers=headers)


def _users(**headers: str) -> Request:
    return Request("GET", "/users/42", headers={"host": "api.example.com", **headers})


@pytest.mark.parametrize(("phase", "expected"), [("starting", 503), ("ready", 200), ("draining", 503)])
async def test_ready_is_only_ready_while_requests_are_taken(phase: Phase, expected: int) -> None:
    status = LocalStatus(_gateway())
    status.current_phase = phase
    response = await _get(status, "/ready")
    assert (response.status_code, response.json()) == (expected, {"status": phase})


async def test_a_gateway_that_drains_is_still_healthy() -> None:
    status = LocalStatus(_gateway())
    status.current_phase = "draining"
    response = await _get(status, "/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_routes_say_what_they_demand_and_what_a_request_passes() -> None:
    response = await _get(LocalStatus(_gateway()), "/routes")
    edge = ["RequestIdMiddleware", "MetricsMiddleware", "error_boundary", "canonical_request"]
    assert response.json() == {
        "routes": [
            {
                "name": "/users/*",
                "path": "/users/*",
                "hosts": ["api.example.com"],
                "methods": ["GET"],
                "service": "users",
                "middleware": [*edge, "on_the_route"],
            },
            {
                "name": "the plain one",
                "path": "/plain",
                "hosts": [],
                "methods": [],
                "service": "plain",
                "middleware": edge,
            },
        ]
    }


async def test_services_count_what_runs_and_what_has_run() -> None:
    gateway = _gateway()
    status = LocalStatus(gateway)
    streaming = await gateway.handle(_users())
    await (await gateway.handle(_users())).read()

    async def counts() -> Sequence[tuple[str, int, int, int]]:
        (users, plain) = (await _get(status, "/services")).json()["services"]
        assert (plain["name"], plain["endpoints"]) == ("plain", [])
        return [(each["url"], each["weight"], each["in_flight"], each["requests"]) for each in users["endpoints"]]

    assert await counts() == [("in-process://a", 1, 1, 1), ("in-process://b", 5, 0, 1)]
    await streaming.read()
    await streaming.close()
    assert await counts() == [("in-process://a", 1, 0, 1), ("in-process://b", 5, 0, 1)]


async def test_an_identity_provider_is_a_service_too() -> None:
    provider = BackendService("https://id.example", [Endpoint("in-process://id")], InProcessTransport({}))
    gateway = ApiGateway(Router([Route("/*", "plain")]), {"plain": _answer}, resources=[provider])
    report = await LocalStatus(gateway).services()
    assert [service.name for service in report.services] == ["plain", "https://id.example"]


async def test_services_say_how_every_endpoint_is_and_why() -> None:
    gateway = _gateway()
    status = LocalStatus(gateway)
    users = gateway.services["users"]
    assert isinstance(users, BackendService)

    async def health() -> tuple[bool, Sequence[tuple[str, str]]]:
        (service, plain) = (await _get(status, "/services")).json()["services"]
        assert (plain["panic"], plain["circuit_breaker"]) == (False, "")
        return service["panic"], [(each["health"], each["why"]) for each in service["endpoints"]]

    assert await health() == (False, [("healthy", ""), ("healthy", "")])
    users.health.take_out(users.endpoints[0], "check", "check /health: status 503")
    assert await health() == (False, [("unhealthy", "check /health: status 503"), ("healthy", "")])
    users.health.take_out(users.endpoints[1], "outlier", "5 errors in a row", until=2**62)
    assert await health() == (True, [("unhealthy", "check /health: status 503"), ("ejected", "5 errors in a row")])
    page = _Page((await _get(status, "/")).text)
    assert "unhealthy, used in panic: check /health: status 503" in page.text
    assert "ejected, used in panic: 5 errors in a row" in page.text


async def test_metrics_are_in_the_format_that_prometheus_reads_by_default() -> None:
    gateway = _gateway()
    for _ in range(3):
        await (await gateway.handle(Request("GET", "/plain"))).read()
    response = await _get(LocalStatus(gateway), "/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {
        (sample.name, sample.labels.get("route")): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert samples["api_gateway_requests_total", "the plain one"] == 3


async def test_metrics_are_in_openmetrics_for_a_scraper_that_prefers_it() -> None:
    response = await _get(LocalStatus(_gateway()), "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert response.text.endswith("# EOF\n")


async def test_a_gateway_that_does_not_count_has_empty_metrics() -> None:
    gateway = ApiGateway(Router([Route("/*", "plain")]), {"plain": _answer})
    response = await _get(LocalStatus(gateway), "/metrics")
    assert (response.status_code, response.text) == (200, "")


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/routes", "/services", "/metrics"])
async def test_pages_are_only_read_and_never_stored(path: str) -> None:
    status = LocalStatus(_gateway())
    status.current_phase = "ready"
    async with _client(status) as client:
        response = await client.get(path)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await client.request(method, path)).status_code == 405


@pytest.mark.parametrize("path", ["/nowhere", "/health/", "/routes/0"])
async def test_there_is_nothing_else(path: str) -> None:
    assert (await _get(LocalStatus(_gateway()), path)).status_code == 404


# The page for a person.


class _Page(HTMLParser):
    """Collects what a browser would load, link to and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "action", "data"):
                self.loads.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


class _Hostile:
    """A status of which every text is an attack."""

    TEXT = """</td><script>alert(1)</script><img src=x onerror="alert('1')">&amp;"""

    async def metrics(self) -> CollectorRegistry:
        return CollectorRegistry()

    async def phase(self) -> Phase:
        return "ready"

    async def routes(self) -> Sequence[RouteStatus]:
        text = self.TEXT
        return [RouteStatus(text, text, [text], [text], text, [text])]

    async def services(self) -> ServicesReport:
        endpoint = EndpointStatus(self.TEXT, 1, health="unhealthy", why=self.TEXT)
        services = [ServiceStatus(self.TEXT, []), ServiceStatus(self.TEXT, [endpoint], circuit_breaker="open")]
        return ServicesReport(services, workers=3, answered=2)


async def test_the_page_shows_links_routes_services_and_counts() -> None:
    gateway = _gateway()
    for _ in range(2 * 7):
        await (await gateway.handle(_users())).read()
    status = LocalStatus(gateway)
    status.current_phase = "ready"
    page = _Page((await _get(status, "/")).text)
    for link in page.links:
        assert (await _get(status, link)).status_code == 200, link
    assert set(page.links) == {"/health", "/ready", "/routes", "/services", "/metrics"}
    for shown in ("ready", "/users/*", "GET", "api.example.com", "on_the_route", "users", "in-process://b", "7"):
        assert re.search(rf"(^|\s){re.escape(shown)}($|\s)", page.text), shown


async def test_the_page_loads_nothing_from_anywhere() -> None:
    response = await _get(LocalStatus(_gateway()), "/")
    page = _Page(response.text)
    assert page.loads == ["data:,"]
    assert "script" not in page.tags
    assert "url(" not in response.text
    assert "@import" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


async def test_the_page_escapes_whatever_it_shows() -> None:
    page = _Page((await _get(_Hostile(), "/")).text)
    assert not {"script", "img"} & set(page.tags)
    assert page.text.count(_Hostile.TEXT) >= 9


async def test_the_page_says_when_a_worker_is_missing_from_the_counts() -> None:
    assert "2 of 3 workers" in _Page((await _get(_Hostile(), "/")).text).text
