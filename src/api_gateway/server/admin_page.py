"""Admin page: the one admin page for a person: state, routes, services.

Rule: rendered here, whole; no script, nothing loaded from elsewhere, and a policy that forbids it.
Every value goes through `_cell`, which escapes: names and paths come from a file, and a file can
hold anything.

What it does not do: refresh by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from api_gateway.server.status import EndpointStatus, Phase, RouteStatus, ServicesReport, ServiceStatus

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_STYLE = """
:root { color-scheme: light dark; --ink: #2e3440; --paper: #fff; --faint: #6b7280; --line: #d8dce2; --accent: #0072b2;
        --alarm: #b34700 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e5e9f0; --paper: #1b1e24; --faint: #9aa1ab; --line: #3a3f49; --accent: #6cb6e6; --alarm: #f08a4b }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
       margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
a { color: var(--accent) } nav a { margin-right: 1rem }
.phase { color: var(--alarm) } .phase.ready { color: var(--accent) }
.faint { color: var(--faint) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; color: var(--faint) }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
code { font: 13px ui-monospace, monospace }
"""

_LINKS = ("/health", "/ready", "/routes", "/services", "/metrics")


def render_page(phase: Phase, routes: Sequence[RouteStatus], report: ServicesReport) -> str:
    """The page as HTML."""
    links = "".join(f'<a href="{link}">{link}</a>' for link in _LINKS)
    workers = "" if report.workers == 1 else f", {report.answered} of {report.workers} workers counted"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API gateway</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>"
        f'<h1>API gateway <span class="phase {escape(phase)}">{escape(phase)}</span></h1><nav>{links}</nav>'
        f"<h2>Routes</h2>{_routes(routes)}"
        f'<h2>Services</h2><p class="faint">Counted since the start{workers}.</p>{_services(report)}'
        "</body></html>"
    )


def _routes(routes: Sequence[RouteStatus]) -> str:
    rows = (
        _row(
            _cell(route.path, code=True),
            _cell(", ".join(route.methods) or "any"),
            _cell(", ".join(route.hosts) or "any"),
            _cell(route.service),
            _cell(" \N{RIGHTWARDS ARROW} ".join(route.middleware)),
        )
        for route in routes
    )
    return _table(("Path", "Methods", "Hosts", "Service", "Middleware, outermost first"), rows)


def _services(report: ServicesReport) -> str:
    rows = []
    for service in report.services:
        if not service.endpoints:
            rows.append(_row(_cell(service.name), _cell("in this process"), *[_cell("")] * 6))
        rows += [_endpoint(service, endpoint) for endpoint in service.endpoints]
    titles = ("Service", "Endpoint", "Health", "Circuit", "#Weight", "#In flight", "#Requests", "#Failures")
    return _table(titles, rows)


def _endpoint(service: ServiceStatus, endpoint: EndpointStatus) -> str:
    return _row(
        _cell(service.name),
        _cell(endpoint.url, code=True),
        _cell(_health(endpoint, panic=service.panic)),
        _cell(service.circuit_breaker),
        *map(_cell, (endpoint.weight, endpoint.in_flight, endpoint.requests, endpoint.failures)),
    )


def _health(endpoint: EndpointStatus, *, panic: bool) -> str:
    used = ", used in panic" if panic and endpoint.health in ("ejected", "unhealthy") else ""
    return f"{endpoint.health}{used}{': ' if endpoint.why else ''}{endpoint.why}"


def _table(titles: Sequence[str], rows: Iterable[str]) -> str:
    """`#` before a title marks a column of numbers."""
    head = "".join(
        f'<th class="number">{escape(title[1:])}</th>' if title.startswith("#") else f"<th>{escape(title)}</th>"
        for title in titles
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: str | int, *, code: bool = False) -> str:
    text = escape(str(value))
    if isinstance(value, int):
        return f'<td class="number">{text}</td>'
    return f"<td><code>{text}</code></td>" if code else f"<td>{text}</td>"
