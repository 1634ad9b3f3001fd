"""Security: what each check costs, as a layer in-process, and as requests per second on the proxy.

Rule: a layer is made by the configuration, as a gateway has it, and stands alone before a service that answers at
once. Its cost is what it takes more than a layer that only calls on; the two are measured one after the other in each
of several rounds, and the least of each counts: noise only ever adds. CPU is the process's own.

| row              | what passes                                                                            |
|------------------|----------------------------------------------------------------------------------------|
| ip_filter        | 4,096 addresses in turn, none of them in the 10,000 denied networks                    |
| header_filter    | ten headers; two names and a pattern are denied, one is required                       |
| cors             | a page of an allowed origin                                                            |
| jwt, known       | one token that was verified before                                                     |
| jwt, fresh ES256 | tokens that were not; beside joserfc's own `decode` and claims of the same, as a ratio |
| introspection    | one token whose answer is cached                                                       |
| validate_request | a body of 1 KiB of JSON against a schema                                               |

On the proxy the same gateway runs three times, open, with keys and with tokens, under wrk in turn.

What it does not do: measure refusals. They are cheaper than what passes, except for the problem document.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from statistics import median

from joserfc import jwt
from joserfc.jwk import ECKey

from api_gateway import Handler, Headers, Middleware, Request, RequestContext, Response, build_gateway
from api_gateway.auth.api_key import NewKey, new_key
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import chain
from benchmarks import event_loop, wrk
from benchmarks.contenders import PATH, Contender, start_origin
from benchmarks.machine import Machine, pinned, tool
from benchmarks.processes import Processes, free_port
from benchmarks.report import Bar, Report, table

API_KEY_LIMIT = 5.0
KNOWN_JWT_LIMIT = 10.0
"""Microseconds in a layer."""
FRESH_LIMIT = 1.5
"""Times what the library takes for the same."""

NETWORKS = 10_000
_ISSUER, _AUDIENCE = "https://id.example", "orders"
_TURN = 32
_FRESH = 400  # tokens; only one is remembered, so that none of them is known when its turn comes
_ANSWER = Headers({"server": "origin", "content-type": "application/json", "content-length": "2"})
_FIELDS = {
    "host": "api.example.com",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "application/json",
    "accept-language": "en-GB,en;q=0.8",
    "accept-encoding": "gzip, deflate, br",
    "x-request-id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "x-forwarded-for": "192.0.2.7",
    "x-forwarded-proto": "https",
    "cookie": "session=not-looked-at",
}
_ITEM = {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}}
_SCHEMA = {
    "type": "object",
    "properties": {"customer": {"type": "string", "maxLength": 80}, "items": {"type": "array", "items": _ITEM}},
    "required": ["customer", "items"],
}
_BODY = json.dumps({"customer": "Ada", "items": [{"sku": f"sku-{n:06}", "count": n + 1} for n in range(29)]}).encode()


@dataclass(frozen=True, slots=True)
class Row:
    """One layer, and what goes through it in turn."""

    layer: Middleware
    requests: Sequence[Request]
    addresses: Sequence[str] = ("192.0.2.7",)
    identity: Identity | None = None


async def empty(request: Request, context: RequestContext, call_next: Handler) -> Response:
    """The layer that all others are compared with."""
    return await call_next(request, context)


async def _service(_request: Request, _context: RequestContext) -> Response:
    return Response(200, _ANSWER, b"{}")


class Callers:
    """A key and tokens that are good, and the files that say so."""

    def __init__(self, folder: Path) -> None:
        self.api_key: NewKey = new_key()
        self.signer = ECKey.generate_key("P-256", {"kid": "1"})
        self.keys_file, self.jwks_file = folder / "keys.yaml", folder / "jwks.json"
        digest = "sha256:" + sha256(self.api_key.text.encode()).hexdigest()
        self.keys_file.write_text(json.dumps({"keys": [{"id": self.api_key.id, "hash": digest, "owner": "shop"}]}))
        self.jwks_file.write_text(json.dumps({"keys": [self.signer.as_dict(private=False)]}))

    def token(self, number: int = 0) -> str:
        """One for an hour; each number gives another."""
        now = int(time.time())
        claims = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": "user-42", "iat": now, "exp": now + 3600, "jti": str(number)}
        return jwt.encode(
            {"alg": "ES256", "kid": "1", "typ": "at+jwt"}, {**claims, "scope": "orders:read"}, self.signer
        )

    def api_key_auth(self) -> dict[str, object]:
        """The entry for a key."""
        return {"auth": {"api_key": {"keys_file": str(self.keys_file)}}}

    def jwt_auth(self, remember: int = 10_000) -> dict[str, object]:
        """The entry for a token."""
        options = {"issuer": _ISSUER, "audience": _AUDIENCE, "algorithms": ["ES256"], "jwks_file": str(self.jwks_file)}
        return {"auth": {"jwt": {**options, "remember": remember}}}


def rows(callers: Callers, *, networks: int = NETWORKS, fresh: int = _FRESH) -> dict[str, Row]:
    """What is measured, by name."""
    denied = [f"10.{n >> 7}.{n << 1 & 255}.0/24" for n in range(networks)]  # with gaps, so that none can be merged
    addresses = [f"192.0.{n >> 8}.{n & 255}" for n in range(4096)]
    known = f"Bearer {callers.token()}"
    asked = {"service": "id", "path": "/introspect", "client_id": "gw", "client_secret": "not-looked-at"}
    filters = {"deny": ["x-original-url", "x-rewrite-url", {"user-agent": {"regex": "bot.*"}}], "require": ["accept"]}
    page = {"origins": ["https://app.example", "https://*.shop.example"], "credentials": True}
    posted = _request("POST", _BODY, content_type="application/json", content_length=str(len(_BODY)))
    validation = {"content_types": ["application/json"], "body": {"schema": _SCHEMA}}
    caller = Identity("user-42", "jwt", scopes=frozenset({"orders:read"}))
    return {
        "ip_filter": Row(_layer({"ip_filter": {"deny": denied}}), [_request()], addresses),
        "header_filter": Row(_layer({"header_filter": filters}), [_request()]),
        "cors": Row(_layer({"cors": page}), [_request(origin="https://app.example")]),
        "security_headers": Row(_layer("security_headers"), [_request()]),
        "api_key": Row(_layer(callers.api_key_auth()), [_request(x_api_key=callers.api_key.text)]),
        "jwt, known": Row(_layer(callers.jwt_auth()), [_request(authorization=known)]),
        "jwt, fresh ES256": Row(
            _layer(callers.jwt_auth(remember=1)),
            [_request(authorization=f"Bearer {callers.token(number)}") for number in range(fresh)],
        ),
        "introspection, known": Row(
            _layer({"auth": {"introspection": asked}}), [_request(authorization="Bearer an-opaque-token")]
        ),
        "authorize": Row(_layer({"authorize": {"scopes": ["orders:read"]}}), [_request()], identity=caller),
        "validate_request, 1 KiB": Row(_layer({"validate_request": validation}), [posted]),
    }


def run(
    machine: Machine, *, requests: int = 20_000, rounds: int = 7, seconds: int = 3, proxy_rounds: int = 3
) -> Report:
    """Measure every row, and the proxy; `proxy_rounds` 0 leaves that out.

    Raises:
        NotMeasuredError: a gateway or the origin does not come up, or wrk fails.
    """
    report = Report(f"security: CPU us over an empty layer, {event_loop.NAME}, least of {rounds} x {requests:,}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        callers = Callers(Path(folder))
        measured = rows(callers)
        with pinned(machine.test_core):
            costs, library = event_loop.run(_measure(measured, callers, requests, rounds))
        ratio = costs["jwt, fresh ES256"] / library
        lines = [[name, f"{cost:.2f}"] for name, cost in costs.items()]
        report.table = table(("", "CPU us"), [*lines, ["joserfc alone, ES256", f"{library:.2f}"]])
        report.figures = {"microseconds_over_empty_layer": costs, "joserfc_microseconds": library}
        report.bars = [
            Bar("API key in a layer", costs["api_key"], API_KEY_LIMIT, at_least=False, unit=" us"),
            Bar("known JWT in a layer", costs["jwt, known"], KNOWN_JWT_LIMIT, at_least=False, unit=" us"),
            Bar("fresh ES256 / joserfc alone", ratio, FRESH_LIMIT, at_least=False, unit="x"),
        ]
        if proxy_rounds:
            _proxy(report, machine, callers, seconds, proxy_rounds)
    return report


def _layer(entry: object) -> Middleware:
    """The one layer of a configuration."""
    config = {"middleware": ["known", entry], "routes": [{"path": "/*", "service": "orders"}]}
    known = {"known": lambda _options, _tools: empty}  # the authentication that `authorize` wants before it
    return build_gateway(config, {"orders": _service, "id": _provider}, middleware=known).middleware[-1]


async def _provider(request: Request, _context: RequestContext) -> Response:
    await request.read()
    return Response.json({"active": True, "sub": "user-42", "scope": "orders:read", "exp": int(time.time()) + 3600})


def _request(method: str = "GET", body: bytes = b"", **fields: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Request(method, "/orders/42", _FIELDS | named, body)


async def _measure(
    measured: Mapping[str, Row], callers: Callers, requests: int, rounds: int
) -> tuple[dict[str, float], float]:
    least = {name: [float("inf"), float("inf")] for name in measured}
    library = float("inf")
    tokens = [callers.token(number) for number in range(_FRESH)]
    for _ in range(rounds):
        for name, row in measured.items():
            count = min(requests, 2_000) if "fresh" in name else requests
            for index, layer in enumerate((empty, row.layer)):
                handler = chain([layer], _service)
                least[name][index] = min(least[name][index], await _cost(handler, row, count))
        library = min(library, _library_cost(tokens, callers, min(requests, 2_000)))
    return {name: with_it - without for name, (without, with_it) in least.items()}, library


async def _cost(handler: Handler, row: Row, requests: int) -> float:
    """Microseconds of CPU for one request: its context, the answer, and closing that."""
    asked, addresses = cycle(row.requests), cycle(row.addresses)
    turns = max(requests // _TURN, 1)
    started = time.process_time()
    for _ in range(turns):
        for _ in range(_TURN):
            context = RequestContext(0, next(addresses), "https", "1.1")
            context.identity = row.identity
            response = await handler(next(asked), context)
            assert response.status == 200, "what passes is measured"
            await response.close()
        await asyncio.sleep(0)
    return (time.process_time() - started) / (turns * _TURN) * 1e6


def _library_cost(tokens: Sequence[str], callers: Callers, count: int) -> float:
    """Microseconds of CPU for what joserfc does with a token: signature, and the claims that we want, too."""
    wanted = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": _ISSUER}, aud={"essential": True, "value": _AUDIENCE}, exp={"essential": True}
    )
    public = ECKey.import_key(callers.signer.as_dict(private=False))
    started = time.process_time()
    for _, token in zip(range(count), cycle(tokens), strict=False):
        wanted.validate(jwt.decode(token, public, algorithms=["ES256"]).claims)
    return (time.process_time() - started) / count * 1e6


def _proxy(report: Report, machine: Machine, callers: Callers, seconds: int, rounds: int) -> None:
    """Add what keys and tokens cost in requests per second."""
    if tool("wrk") is None:
        report.notes.append(wrk.INSTALL)
        return
    kinds: dict[str, tuple[Sequence[object], Sequence[str]]] = {
        "open": ((), ()),
        "api_key": ((callers.api_key_auth(),), (f"X-API-Key: {callers.api_key.text}",)),
        "jwt, known": ((callers.jwt_auth(),), (f"Authorization: Bearer {callers.token()}",)),
    }
    with Processes() as processes:
        upstream = f"http://127.0.0.1:{start_origin(processes, machine).port}"
        running = {name: _start(name, layers, processes, machine, upstream) for name, (layers, _) in kinds.items()}
        loads: dict[str, list[wrk.Load]] = {name: [] for name in kinds}
        for _ in range(rounds):
            for name, (_, headers) in kinds.items():
                loads[name].append(_load(running[name], seconds, machine, headers))
    shares = {
        name: median(its.rate / plain.rate for its, plain in zip(each, loads["open"], strict=True))
        for name, each in loads.items()
    }
    errors = sum(load.errors for each in loads.values() for load in each)
    lines = [[*_row(name, loads[name]), f"{shares[name]:.2f} x"] for name in kinds]
    report.table += f"\n\nproxy, {rounds} x {seconds} s each, in turn\n\n"
    report.table += table(("", "requests/s", "CPU us", "of the open one"), lines)
    report.figures["proxy_as_multiple_of_open"] = shares
    report.figures["proxy_rounds"] = {name: [load.as_json() for load in each] for name, each in loads.items()}
    report.bars.append(Bar("proxy errors", errors, 0, at_least=False))


def _load(gateway: Contender, seconds: int, machine: Machine, headers: Sequence[str]) -> wrk.Load:
    """One measurement, with the gateway's CPU."""
    before = gateway.process.cpu_seconds()
    load = wrk.run(gateway.url, seconds, machine.load_core, headers=headers)
    after = gateway.process.cpu_seconds()
    return load if before is None or after is None or not load.requests else load.with_cpu(after - before)


def _row(name: str, loads: Sequence[wrk.Load]) -> list[str]:
    cpu = [load.cpu_per_request for load in loads if load.cpu_per_request is not None]
    return [name, f"{median(load.rate for load in loads):,.0f}", f"{median(cpu) * 1e6:.1f}" if cpu else "-"]


def _start(name: str, layers: Sequence[object], processes: Processes, machine: Machine, upstream: str) -> Contender:
    port = free_port()
    configuration = processes.folder / f"security-{port}.yaml"
    config = {
        "listen": {"host": "127.0.0.1", "port": port},
        "admin": {"host": "127.0.0.1", "port": free_port()},
        "services": {"users": {"endpoints": [upstream]}},
        "middleware": ["request_id"],
        "routes": [
            {"path": PATH, "service": "users", "middleware": [*layers]},
            {"path": "/ready", "service": "users"},
        ],
    }
    configuration.write_text(json.dumps(config))
    command = [sys.executable, "-m", "api_gateway", "serve", str(configuration)]
    process = processes.start(f"gateway-{port}", command, machine.test_core)
    process.wait_until_it_answers(port, "/ready")
    return Contender(name, port, process)
