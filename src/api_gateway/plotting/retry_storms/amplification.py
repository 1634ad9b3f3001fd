"""Amplification: how many calls a request makes, when each call fails with some probability.

Rule: real requests through a real gateway to a service that fails by chance; the line is theory, the dots are
counted. With r retries, (1 - p^(r+1)) / (1 - p): a request makes another call for each that failed, until one does
not or the r retries are used up. When all fail it is 1 + r.

Through layers the retries of each are multiplied: with L layers of r retries a request makes as many calls as with
one layer of (1 + r)^L tries, for whatever p.

What it does not do: feed back. Here a failing service fails whatever it is asked; that more calls make more failures
is the storm's part (`laboratory.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build import build_gateway
from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.plotting.style import ADMITTED, CONTEXT, REFUSED, Label, Picture, label_ends, new_figure
from api_gateway.resilience.backoff import Backoff
from api_gateway.simulation import FakeService, VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport

Measured = Mapping[int, Mapping[float, float]]
"""Calls for each request, by retries, then by the probability that a call fails."""

_GET = Request("GET", "/")


def amplification(p: float, retries: int, layers: int = 1) -> float:
    """Calls for each request, as theory has it, when a call fails with probability `p`."""
    tries = (1 + retries) ** layers
    return float(tries) if p == 1 else (1 - p**tries) / (1 - p)


def calls_per_request(p: float, retries: int, requests: int = 400, layers: int = 1, seed: int = 1) -> float:
    """The same, counted: `layers` gateways one behind the other, each of which tries again."""

    async def main() -> float:
        chance, clock = Random(f"{p} {retries} {layers} {seed}"), VirtualClock()
        service = FakeService(0.001, workers=100, error_rate=p, random=chance)
        handler: Handler = service
        for _ in range(layers):
            handler = _layer(handler, retries, clock, chance)
        for _ in range(requests):
            response = await handler(_GET, RequestContext(clock.monotonic()))
            await response.close()
        return service.arrived / requests

    return run(main)


def _layer(handler: Handler, retries: int, clock: Clock, random: Random) -> Handler:
    """A gateway before `handler`, as a Handler."""
    retry = RetryMiddleware(1 + retries, Backoff(1_000_000, 1_000_000, random), None, on=[500], clock=clock)
    url = "in-process://s"
    service = BackendService("s", [Endpoint(url)], InProcessTransport({url: handler}), middleware=[retry], clock=clock)
    config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
    gateway = build_gateway(config, {"s": service}, clock=clock, random=random)

    async def ask(request: Request, context: RequestContext) -> Response:
        return await gateway.handle(request, RequestContext(clock.monotonic()))

    return ask


def beside_the_formula(measured: Measured, headline: str) -> tuple[Picture, dict[int, float]]:
    """Draw dots on theory's lines; for each number of retries, how far the worst dot is off, as a share."""
    figure, (axes,) = new_figure(headline, height=4.2)
    labels, off = [], {}
    points = [number / 100 for number in range(101)]
    for retries, counted in measured.items():
        axes.plot(points, [amplification(p, retries) for p in points], color=CONTEXT, linewidth=1.2, zorder=1)
        axes.plot(list(counted), list(counted.values()), "o", color=REFUSED, markersize=5, zorder=2)
        labels.append(Label(1, 1 + retries, f"{retries} retries" if retries > 1 else "1 retry", REFUSED))
        off[retries] = max(abs(value / amplification(p, retries) - 1) for p, value in counted.items())
    axes.set_xlim(-0.01, 1.015)
    axes.set_ylim(0.8, 1.2 + max(measured))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("calls that fail")
    axes.set_ylabel("calls for each request")
    axes.annotate("line: theory; dots: counted", (0.02, 0.94), xycoords="axes fraction", va="top", color=CONTEXT)
    label_ends(axes, labels)
    return figure, off


def through_layers(measured: Mapping[int, Sequence[float]], headline: str) -> tuple[Picture, dict[int, float]]:
    """Draw the calls of one request that fails, by retries of each layer, for 1, 2, ... layers; the most of each."""
    figure, (axes,) = new_figure(headline, height=3.8)
    labels: list[Label] = []
    for retries, calls in measured.items():
        layers = range(1, len(calls) + 1)
        colour = REFUSED if retries == max(measured) else ADMITTED
        axes.plot(layers, [(1 + retries) ** layer for layer in layers], color=CONTEXT, linewidth=1.2, zorder=1)
        axes.plot(layers, calls, "o", color=colour, markersize=6, zorder=2)
        for layer, value in zip(layers, calls, strict=True):
            axes.annotate(f"{value:g}", (layer, value), xytext=(-6, 3), textcoords="offset points", ha="right",
                          va="bottom", color=colour)  # fmt: skip
        labels.append(Label(len(calls), calls[-1], f"{retries} retries each" if retries > 1 else "1 retry each",
                            colour))  # fmt: skip
    axes.set_yscale("log")
    axes.set_yticks([1, 10, 100], ["1", "10", "100"])
    axes.minorticks_off()
    axes.set_ylim(1, 2.2 * max(max(calls) for calls in measured.values()))
    deepest = max(len(calls) for calls in measured.values())
    axes.set_xlim(0.75, deepest + 0.05)
    axes.set_xticks(range(1, deepest + 1))
    axes.set_xlabel("layers that try again")
    axes.set_ylabel("calls to the last service, for one request")
    label_ends(axes, labels, apart=0.08)
    return figure, {retries: calls[-1] for retries, calls in measured.items()}
