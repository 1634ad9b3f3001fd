"""Fuzz: mutated requests through the whole gateway with every check on; none of them may be a 500.

    python -m tests.support.request_fuzz 1000000 [--seed 1]

Rule: each request begins as a good one and is spoilt in none to five places: its line, its headers, its credentials,
its body. What a server's parser would never hand over (an upper-case name, a control byte in a value) is left out;
everything else may come. The same seed makes the same requests.

| every answer                                  | every request behind authentication            |
|-----------------------------------------------|------------------------------------------------|
| is a service's, a preflight's, or a refusal   | has an identity, and the scope that is needed  |
| a refusal is problem+json with a 4xx, or a    | tells the service that one, and nobody else    |
| 503 because the provider is down              | has lost its credentials                       |
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import unquote

from api_gateway import Request, RequestContext
from api_gateway.core.client_certificate import ClientCertificate
from api_gateway.core.headers import Headers
from api_gateway.core.request import Body
from tests.support.jwt_tokens import EC, NOW, OCT, claims, token
from tests.support.security_rig import (
    ADMIN_KEY,
    DISABLED_KEY,
    EXPIRED_KEY,
    OPAQUE,
    OPAQUE_SCOPELESS,
    READER_KEY,
    UNKNOWN_KEY,
    Answer,
    Rig,
    Seen,
    build_rig,
    check_answer,
    configuration,
    methods,
)

_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 40}, "count": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
_QUERY = {"type": "object", "properties": {"page": {"type": "integer"}, "sort": {"enum": ["up", "down"]}}}

_HS = {"alg": "HS256", "kid": "oct", "typ": "at+jwt"}
_TOKENS = (
    token(claims(scope="admin read")),
    token(claims(scope="read")),
    token(claims(scope="admin"), key=OCT, alg="HS256", header=_HS),
    token(claims(exp=NOW - 10_000)),
    token(claims(aud="payments")),
    token(key=EC, alg="none", header={"alg": "none"}),
    OPAQUE,
    OPAQUE_SCOPELESS,
    "an-opaque-token-that-nobody-knows",
)
_KEYS = (ADMIN_KEY, READER_KEY, EXPIRED_KEY, DISABLED_KEY, UNKNOWN_KEY)
_PATHS = ("/admin/users", "/admin", "/orders/42", "/optional/a/b", "/public", "/", "/checked/items")
_METHODS = ("GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
_ODD_METHODS = ("TRACE", "CONNECT", "get", "PROPFIND", "M-SEARCH", "G" * 300, "QUERY", "!", "")
_PIECES = (
    "/", "//", "/.", "/..", "/../", "%2e%2e", "%2f", "%5c", "\\", ";", ";x=y", "%00", "%zz", "%", "%c0%af", "%ff",
    "%e2%82%ac", "*", "admin", "ADMIN", "?", "#", " ", "{", "}", "é", "ÿ", "%0d%0a", ":", "@", "a" * 500, "%61",
    "..;/", "%252e", "~", "|", "[", "]", "http://evil.example/",
)  # fmt: skip
_QUERIES = ("", "page=1", "page=x", "sort=up&sort=down", "page=1&page=2", "a=%zz", "&&&", "=", "page", "sort=%00",
            "a[]=1", "page=%31", "page=9" * 40, "api_key=" + ADMIN_KEY, "é=1", "page=1e400")  # fmt: skip
_HOSTS = ("api.example", "api.example.", "api.example:80", "API.example", "[::1]:8080", "a b", "", "evil@api.example",
          "x" * 300, "api.example:123456")  # fmt: skip
_PEERS = ("192.0.2.7", "10.0.0.1", "203.0.113.9", "2001:db8::7", "::ffff:10.0.0.1", "", "fe80::1%eth0", "10.6.6.6")
_ADDRESSES = ("203.0.113.9", "10.0.0.2", "unknown", "_hidden", "192.0.2.1:80", "[2001:db8::1]:443", "1.2.3",
              "999.1.1.1", "::ffff:203.0.113.9", "", "'", '"', "for=", "127.1", "0x7f.1", "192.0.2.²")  # fmt: skip
_ORIGINS = ("https://app.example", "https://evil.example", "null", "https://app.example.evil",
            "https://x.shop.example", "https://shop.example", "HTTPS://app.example", "https://app.example:443", "",
            "https://app.exämple")  # fmt: skip
_TYPES = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-16", "text/plain",
          "application/x-www-form-urlencoded", "application/problem+json", "", "/", "application/json;", "a" * 400,
          'application/json; boundary="', "multipart/form-data; boundary=x", "APPLICATION/JSON",
          "application /json")  # fmt: skip
_CODINGS = ("gzip", "deflate", "br", "identity", "gzip, gzip", "x-gzip", "", "zstd", "GZIP", "gzip;q=1")
_BODIES = (b'{"name":"a"}', b'{"name":"a","count":3}', b"", b"{}", b"[]", b"null", b'{"name":1}',
           b'{"name":"a","name":"b"}', b'{"name":"' + b"x" * 2000 + b'"}', b"[" * 3000, b'{"a":' * 200, b"\xff\xfe",
           b"NaN", b"1e999", b"name=a",
           b'{"name":"\\ud800"}', b"9" * 5000, b'{"count":' + b"9" * 4500 + b"}",
           b"[" + b"0," * 20_000 + b"0]")  # fmt: skip
_OTHER_HEADERS: tuple[tuple[str, Sequence[str]], ...] = (
    ("connection", ("close", "keep-alive", "x-user-id", "authorization", "x-api-key, host", "upgrade", ",,,", "")),
    ("transfer-encoding", ("chunked", "gzip", "identity", "chunked, chunked")),
    ("content-length", ("0", "12", "-1", "x", "9" * 30)),
    ("expect", ("100-continue", "other")),
    ("x-user-id", ("root", "alice")),
    ("x_user_id", ("root",)),
    ("x-user-scopes", ("admin",)),
    ("x-consumer", ("root",)),
    ("x-request-id", ("7", "a" * 400, "é", "{}", "' or 1=1")),
    ("traceparent", ("00-" + "1" * 32 + "-" + "2" * 16 + "-01", "ff", "00-0-0-0")),
    ("x-forwarded-proto", ("https", "ftp", "http,https", "")),
    ("x-forwarded-host", ("evil.example", "a" * 400)),
    ("x-original-url", ("/admin",)),
    ("cookie", ("a=b", "token=" + _TOKENS[0])),
    ("accept", ("*/*", "text/html;q=0.9", ";;;")),
    ("accept-encoding", ("gzip", "*;q=0", "a" * 300)),
    ("user-agent", ("curl/8", "sqlmap/1.0", "")),
    ("range", ("bytes=0-1", "bytes=9-1", "bytes=-")),
    ("if-none-match", ("*", '"a"', 'W/"')),
    ("x-envoy-expected-rq-timeout-ms", ("1", "x")),
    ("proxy-authorization", ("Basic YTpi",)),
    ("upgrade", ("h2c", "websocket")),
    ("access-control-request-headers", ("authorization", "x-api-key, content-type", "*", ",")),
    ("access-control-request-private-network", ("true",)),
)
_SCHEMES = ("Bearer ", "bearer ", "BEARER  ", "Bearer\t", "Basic ", "", "Bearer", "Token ", "Bearer Bearer ", "DPoP ")
_CERTIFICATE_NAMES = ("CN=alice", "", "CN=a,OU=b", 'CN="x', "CN=" + "y" * 900, "O=only", "CN=é")


def everything(folder: Path) -> dict[str, object]:
    """The configuration of the rig, with every check in it."""
    ways: list[dict[str, object]] = [*methods(folder), {"mtls": {}}]
    validate = {
        "content_types": ["application/json"],
        "max_body": "8KiB",
        "body": {"schema": _SCHEMA},
        "query": _QUERY,
        "max_depth": 20,
    }
    auth, optional = {"auth": {"any_of": ways}}, {"auth": {"any_of": ways, "optional": True}}
    admin = [auth, {"authorize": {"rules": [{"methods": ["GET", "HEAD"], "scopes": ["admin"]}, {"roles": ["boss"]}]}}]
    return configuration(
        folder,
        limits={"max_body": "64KiB"},
        middleware=[
            "request_id",
            "watch",
            "security_headers",
            {"cors": {"origins": ["https://app.example", "https://*.shop.example"], "credentials": True}},
            {"ip_filter": {"deny": ["10.6.6.0/24", "203.0.113.0/24", "2001:db8:6::/48"]}},
            {"header_filter": {"deny": ["x-original-url", {"user-agent": {"regex": "sqlmap.*"}}]}},
            {"rate_limit": {"algorithm": "gcra", "rate": "1000000/s", "burst": 1_000_000, "key": "client_ip"}},
        ],
        routes=[
            {"path": "/admin/*", "service": "admin", "middleware": admin},
            {"path": "/orders/*", "service": "orders", "middleware": [
                auth, {"rate_limit": {"rate": "1000000/s", "key": "identity"}}, {"validate_request": validate}]},
            {"path": "/optional/*", "service": "optional", "middleware": [optional]},
            {"path": "/checked/*", "service": "open", "middleware": [{"validate_request": validate}]},
            {"path": "/*", "service": "open"},
        ],
    )  # fmt: skip


@dataclass
class Draft:
    """A request that is still to be spoilt."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: str = "192.0.2.7"
    certificate: ClientCertificate | None = None
    streamed: bool = False


class RequestMutator:
    """Makes requests, each from a good one."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._spoil: tuple[Callable[[Draft], None], ...] = (
            self._method,
            self._path,
            self._path,
            self._query,
            self._another_header,
            self._another_header,
            self._value,
            self._drop,
            self._repeat,
            self._credentials,
            self._credentials,
            self._signed,
            self._page,
            self._forwarding,
            self._body,
            self._type,
            self._peer,
            self._certificate,
        )

    def draft(self) -> Draft:
        """The next one."""
        draft = self._good()
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
            self._random.choice(self._spoil)(draft)
        return draft

    def _good(self) -> Draft:
        pick = self._random.choice
        headers = [("host", "api.example"), ("accept", "*/*"), ("user-agent", "fuzz")]
        method, body = pick(_METHODS), b""
        if method in ("POST", "PUT", "PATCH"):
            body = pick(_BODIES[:2])
            headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
        chosen = self._random.random()
        if chosen < 0.4:
            headers.append(("x-api-key", pick(_KEYS[:2])))
        elif chosen < 0.8:
            headers.append(("authorization", "Bearer " + pick(_TOKENS)))
        return Draft(method, pick(_PATHS), pick(("", "", "page=1")), headers, body)

    def _method(self, draft: Draft) -> None:
        draft.method = self._random.choice((*_METHODS, *_ODD_METHODS))

    def _path(self, draft: Draft) -> None:
        draft.path = self._mutated(draft.path, _PIECES)

    def _query(self, draft: Draft) -> None:
        draft.query = self._mutated(self._random.choice(_QUERIES), _PIECES)

    def _another_header(self, draft: Draft) -> None:
        name, values = self._random.choice(_OTHER_HEADERS)
        draft.headers.insert(self._random.randrange(len(draft.headers) + 1), (name, self._random.choice(values)))

    def _value(self, draft: Draft) -> None:
        if draft.headers:
            at = self._random.randrange(len(draft.headers))
            name, value = draft.headers[at]
            draft.headers[at] = name, self._random.choice(_HOSTS) if name == "host" else self._mutated(value, _PIECES)

    def _drop(self, draft: Draft) -> None:
        if draft.headers:
            draft.headers.pop(self._random.randrange(len(draft.headers)))

    def _repeat(self, draft: Draft) -> None:
        if draft.headers:
            draft.headers += [self._random.choice(draft.headers)] * self._random.choice((1, 1, 2, 50))

    def _credentials(self, draft: Draft) -> None:
        if self._random.random() < 0.5:
            value = self._random.choice(_SCHEMES) + self._mutated(self._random.choice(_TOKENS), (".", "=", "A", "~"))
            draft.headers.append(("authorization", value))
        else:
            draft.headers.append(("x-api-key", self._mutated(self._random.choice(_KEYS), ("_", "gw_", "a", "é"))))

    def _signed(self, draft: Draft) -> None:
        """A token with a good signature over spoilt parts."""
        payload = json.dumps(claims(scope="admin"))
        header = json.dumps(_HS)
        marks = ('"', "{", "}", ":", ",", "[", "null", "1e999", '"sub":"root",', "\\u0000", "9" * 20, "é")
        if self._random.random() < 0.7:
            payload = self._mutated(payload, marks)
        else:
            header = self._mutated(header, marks)
        made = token(payload.encode(), key=OCT, alg="HS256", header=header.encode())
        draft.headers = [pair for pair in draft.headers if pair[0] not in ("authorization", "x-api-key")]
        draft.headers.append(("authorization", "Bearer " + made))

    def _page(self, draft: Draft) -> None:
        draft.headers.append(("origin", self._mutated(self._random.choice(_ORIGINS), (".", "x", ":", "é"))))
        if self._random.random() < 0.6:
            draft.method = "OPTIONS"
            draft.headers.append(("access-control-request-method", self._random.choice(_METHODS)))

    def _forwarding(self, draft: Draft) -> None:
        addresses = [self._random.choice(_ADDRESSES) for _ in range(self._random.randrange(4))]
        if self._random.random() < 0.5:
            draft.headers.append(("x-forwarded-for", ", ".join(addresses)))
        else:
            elements = [f'for="{address}";proto=https' for address in addresses]
            draft.headers.append(("forwarded", self._mutated(",".join(elements), (";", "=", ",", '"', "\\"))))
        draft.headers.append((self._random.choice(("x-real-ip", "true-client-ip")), self._random.choice(_ADDRESSES)))
        draft.peer = self._random.choice(_PEERS)

    def _body(self, draft: Draft) -> None:
        draft.method = self._random.choice(("POST", "PUT", "PATCH", "GET", "DELETE"))
        draft.body = self._random.choice(_BODIES)
        if draft.body and self._random.random() < 0.5:
            at = self._random.randrange(len(draft.body))
            draft.body = draft.body[:at] + bytes([self._random.randrange(256)]) + draft.body[at + 1 :]
        if self._random.random() < 0.3:
            draft.body = gzip.compress(draft.body * self._random.choice((1, 1, 40)), 1)
            draft.headers.append(("content-encoding", self._random.choice(_CODINGS)))
        draft.streamed = self._random.random() < 0.4

    def _type(self, draft: Draft) -> None:
        draft.headers = [pair for pair in draft.headers if pair[0] != "content-type"]
        draft.headers.append(("content-type", self._random.choice(_TYPES)))

    def _peer(self, draft: Draft) -> None:
        draft.peer = self._random.choice(_PEERS)

    def _certificate(self, draft: Draft) -> None:
        names = tuple(self._random.choice(("a.example", "", "é", "x" * 300)) for _ in range(self._random.randrange(3)))
        draft.certificate = ClientCertificate(
            subject=(subject := self._random.choice(_CERTIFICATE_NAMES)),
            common_name=subject.removeprefix("CN="),
            issuer="CN=authority",
            serial_number="1F",
            dns_names=names,
            uris=tuple(f"spiffe://{name}/x" for name in names),
            not_after=NOW + self._random.choice((-50.0, 10_000_000.0)),
            fingerprint="ab" * 32,
        )

    def _mutated(self, text: str, pieces: Sequence[str]) -> str:
        """`text` with a piece put in or in place of a character, a part cut out, or as it is."""
        at = self._random.randrange(len(text) + 1)
        what = self._random.randrange(5)
        if what == 0:
            return text[:at] + self._random.choice(pieces) + text[at:]
        if what == 1:
            return text[:at] + self._random.choice(pieces) + text[at + 1 :]
        if what == 2:
            return text[:at] + text[at + self._random.randrange(1, 6) :]
        if what == 3:
            return text[:at] + chr(self._random.choice((*range(32, 127), *range(160, 256)))) + text[at + 1 :]
        return text


@dataclass
class Found:
    """What a run has seen."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


async def fuzz(count: int, seed: int, *, progress: Callable[[Found], None] | None = None) -> Found:
    """So many mutated requests through a gateway with everything on; what is wrong is in `defects`."""
    found, random = Found(), Random(seed)
    mutator = RequestMutator(random)
    errors = _Errors()
    log = logging.getLogger("api_gateway.errors")
    log.addHandler(errors)
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            made = build_rig(everything(Path(folder)))
            async with made.gateway:
                for _ in range(count):
                    await _one(made, mutator.draft(), found)
                    if found.requests % 500 == 0:
                        made.provider.down = random.random() < 0.2
                        made.clock.advance(0.2)  # a million requests take less than the life of a token
                        await asyncio.sleep(0)
                    if progress is not None and found.requests % 50_000 == 0:
                        progress(found)
                    if len(found.defects) > 20:
                        break
    finally:
        log.removeHandler(errors)
    found.defects += errors.messages
    return found


async def _one(made: Rig, draft: Draft, found: Found) -> None:
    context = RequestContext(made.clock.monotonic(), draft.peer, "http", "1.1")
    context.client_certificate = draft.certificate
    pairs = [(name.encode("latin-1"), value.encode("latin-1").strip(b" \t")) for name, value in draft.headers]
    body: Body = _chunks(draft.body) if draft.streamed else draft.body
    request = Request.from_parts(draft.method, draft.path, draft.query, Headers.from_pairs(pairs), body)
    found.requests += 1
    try:
        response = await made.gateway.handle(request, context)
        answer = Answer(response.status, response.headers, await response.read())
        found.statuses[answer.status] += 1
        found.codes[answer.code] += 1
        check_answer(answer)
        assert answer.status < 500 or (answer.status, answer.code) == (503, "identity-unavailable"), answer
        for name, recorder in made.services.items():
            for seen in recorder.seen:
                _check_seen(name, seen)
    except Exception as error:  # whatever it is: the run goes on and tells of it
        found.defects.append(f"{type(error).__name__}: {error} for {draft}"[:3000])
    finally:
        for recorder in made.services.values():
            recorder.seen.clear()


def _check_seen(name: str, seen: Seen) -> None:
    identity, told, request = seen.identity, seen.told(), seen.request
    assert all(len(values) == 1 for values in told.values()), told
    if name in ("admin", "orders"):
        assert identity is not None, "an unknown caller behind authentication"
    if name == "admin" and identity is not None:
        allowed = "admin" in identity.scopes if request.method in ("GET", "HEAD") else "boss" in identity.roles
        assert allowed, f"{identity} may not {request.method}"
        assert request.path.split("/")[1] == "admin", "not what the route is for"
    subject = told.get("x-user-id", [""])[0]
    assert unquote(subject) == (identity.subject if identity is not None else ""), (told, identity)
    if name != "open":
        kept = [header for header in ("authorization", "x-api-key") if header in request.headers]
        assert not kept, f"the service was given {kept}"


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 700):
        yield body[at : at + 700]


class _Errors(logging.Handler):
    """Keeps what the error boundary calls a defect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.messages) < 20:
            self.messages.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and tell; 1 if there is a defect."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.request_fuzz")
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.getLogger("api_gateway").setLevel(logging.ERROR)
    started = time.perf_counter()

    def progress(found: Found) -> None:
        seconds = time.perf_counter() - started
        print(f"{found.requests:,} after {seconds:.0f} s, {len(found.defects)} defects", flush=True)

    found = asyncio.run(fuzz(options.count, options.seed, progress=progress))
    seconds = time.perf_counter() - started
    print(f"{found.requests:,} requests in {seconds:.0f} s, seed {options.seed}: {len(found.defects)} defects")
    print("statuses:", dict(sorted(found.statuses.items())))
    print("codes:", dict(found.codes.most_common()))
    for defect in found.defects:
        print(defect)
    return 1 if found.defects else 0


if __name__ == "__main__":
    sys.exit(main())
