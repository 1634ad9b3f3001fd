"""Attacks on paths: each wants the service behind /admin to answer without /admin having been checked.

The other way round counts as well: what the service is asked for must be what was authorised, to the letter.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api_gateway import BackendService, Endpoint, build_gateway
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest
from api_gateway.transport.http1 import Http1Transport
from tests.support.gateway_server import answering, serve
from tests.support.raw_client import RawClient, connect
from tests.support.security_rig import Recorder, Rig, configuration, key, methods, rig

# What becomes of each without credentials: the protected route's 401, a refusal, or another path of the open service.
TRICKS: dict[str, tuple[str, int]] = {
    "as it stands": ("/admin", 401),
    "trailing slash": ("/admin/", 401),
    "below": ("/admin/users", 401),
    "dot dot": ("/admin/../admin/users", 401),
    "dot dot from outside": ("/public/../admin/users", 401),
    "escaped dots": ("/public/%2e%2e/admin", 401),
    "half escaped dots": ("/public/.%2E/admin", 401),
    "double slash": ("//admin", 401),
    "many slashes": ("/////admin//users", 401),
    "a slash in the middle": ("/admin//users", 401),
    "dot": ("/./admin", 401),
    "dots at the end": ("/admin/.", 401),
    "escaped letter": ("/%61dmin", 401),
    "all letters escaped": ("/%61%64%6d%69%6e/users", 401),
    "escaped dot segment in it": ("/%2e/admin", 401),
    "out of it again": ("/admin/../public", 200),
    "out of it again, escaped": ("/admin/%2e%2e/public", 200),
    "upper case": ("/ADMIN", 200),
    "mixed case": ("/aDmin/users", 200),
    "escaped upper case": ("/%41dmin", 200),
    "escaped slash": ("/admin%2fusers", 200),
    "escaped slash before": ("/%2fadmin", 200),
    "escaped twice": ("/%2561dmin", 200),
    "dots escaped twice": ("/public/%252e%252e/admin", 200),
    "parameter": ("/admin;x", 200),
    "parameter with a value": ("/admin;x=y/users", 200),
    "parameter before": ("/;x/admin", 200),
    "parameter and dots": ("/public/..;/admin", 400),
    "escaped slash and dots": ("/public/..%2fadmin", 400),
    "escaped backslash and dots": ("/public/..%5cadmin", 400),
    "backslash": ("/public\\..\\admin", 400),
    "backslash before": ("/\\admin", 400),
    "escaped backslash": ("/%5cadmin", 200),
    "NUL": ("/admin%00", 400),
    "NUL and an ending": ("/admin%00.png", 400),
    "line end": ("/admin%0d%0a", 400),
    "escaped tab": ("/admin%09", 400),
    "escaped space": ("/admin%20", 200),
    "space": ("/admin ", 400),
    "overlong slash": ("/public/..%c0%afadmin", 400),
    "overlong letter": ("/%c1%a1dmin", 400),
    "full-width letters": ("/%ef%bd%81dmin", 200),
    "a dot behind": ("/admin.", 200),
    "an ending": ("/admin.json", 200),
    "a colon and dollar": ("/admin::$DATA", 200),
    "bad escape": ("/%zzadmin", 400),
    "half an escape": ("/admin%2", 400),
    "fragment": ("/admin#x", 400),
    "above the root": ("/../admin", 400),
    "no slash": ("admin", 400),
    "empty": ("", 400),
    "asterisk": ("*", 400),
    "absolute": ("http://a/admin", 400),
    "a query that looks like a path": ("/public?/../admin", 200),
    "a query right behind": ("/admin?x", 401),
    "escaped question mark": ("/admin%3fx", 200),
    "bytes above ASCII": ("/\xe1dmin", 400),
}


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("name", TRICKS)
async def test_path_tricks_around_a_protected_prefix(gateway: Rig, name: str, method: str) -> None:
    """A spelling of /admin that the check does not see, and the service does."""
    target, status = TRICKS[name]
    answer = await gateway.ask(target, method=method)
    assert answer.status == status
    assert gateway.reached("admin") == 0
    for seen in gateway.services["open"].seen:
        assert canonical_path(seen.request.path) == seen.request.path
        assert seen.request.path.split("/")[1] != "admin"
        assert ".." not in seen.request.path.split("/")


@pytest.mark.parametrize("name", [name for name, (_, status) in TRICKS.items() if status == 401])
async def test_the_service_is_asked_for_the_path_that_was_authorised(gateway: Rig, name: str) -> None:
    """To have one path authorised and another one opened."""
    target, _ = TRICKS[name]
    assert (await gateway.ask(target, key())).status == 200
    (seen,) = gateway.services["admin"].seen
    assert seen.request.path == canonical_path(target.partition("?")[0])
    assert seen.request.path.split("/")[1] == "admin"


CASES = ["ADMIN", "Admin", "aDMIN", "%41dmin", "admi%4E"]


@pytest.mark.parametrize("name", CASES)
async def test_case_is_another_path_and_never_the_protected_service(gateway: Rig, name: str) -> None:
    """A file system that knows no case. Paths are compared by case: such a service must be protected as a whole."""
    for headers in ((), (key(),)):
        assert (await gateway.ask(f"/{name}/users", *headers)).status == 200
    assert gateway.reached("admin") == 0


HEADERS = ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-HTTP-Method-Override"]


@pytest.mark.parametrize("name", HEADERS)
async def test_a_header_that_names_another_path(gateway: Rig, name: str) -> None:
    """To be routed by the line, and served by the header: the gateway reads none of them."""
    assert (await gateway.ask("/public", (name, "/admin/users"))).status == 200
    assert (await gateway.ask("/admin/users", (name, "/public"))).status == 401
    assert gateway.reached("admin") == 0


RAW_TARGETS: dict[str, tuple[bytes, int]] = {
    "absolute": (b"http://api.example/admin/users", 401),
    "absolute, another host": (b"http://evil.example/admin/users", 401),
    "absolute, upper case": (b"HTTP://api.example/admin", 401),
    "absolute, dots": (b"http://api.example/public/../admin", 401),
    "absolute, user information": (b"http://x@api.example/admin", 400),
    "absolute, https": (b"https://api.example/admin", 401),
    "another scheme": (b"ftp://api.example/admin", 400),
    "an authority": (b"//api.example/admin", 200),
    "an authority with a scheme missing": (b"://api.example/admin", 400),
    "authority form": (b"api.example:80", 400),
    "asterisk": (b"*", 400),
    "asterisk and a path": (b"*/admin", 400),
    "tab": (b"/admin\t/x", 400),
    "a second target": (b"/public /admin", 400),
    "a NUL": (b"/admin\x00", 400),
    "escaped": (b"/%61dmin", 401),
    "backslashes": (b"\\admin", 400),
}


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
@pytest.mark.parametrize("name", RAW_TARGETS)
async def test_absolute_and_odd_request_targets(running: Rig, name: str, method: bytes) -> None:
    """A target in a form that the check was not written for."""
    target, status = RAW_TARGETS[name]
    async with serve(running.gateway) as server, connect(server.port) as client:
        client.send(method + b" " + target + b" HTTP/1.1\r\nHost: api.example\r\n\r\n")
        assert (await client.response(method.decode())).status == status
    assert running.reached("admin") == 0


HOSTS: dict[str, int] = {
    "admin.example": 401,
    "ADMIN.example": 401,
    "admin.example.": 401,
    "admin.example:80": 401,
    "admin.example:8080": 401,
    "Admin.Example.:443": 401,
    "admin.example..": 401,
    "admin.example:": 400,
    "admin.example:x": 400,
    "admin.example, public.example": 400,
    "x@admin.example": 400,
    "admin.example/": 400,
    "admin.example\xa0": 400,
    "xn--admn-6na.example": 200,
    "public.example": 200,
}


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_with_a_trailing_dot_a_port_or_another_case(tmp_path: Path, host: str) -> None:
    """A spelling of a protected host that is routed as another one."""
    protected = {"path": "/*", "hosts": ["admin.example"], "service": "admin"}
    routes = [
        {**protected, "middleware": [{"auth": {"any_of": methods(tmp_path)}}]},
        {"path": "/*", "service": "open"},
    ]
    async with rig(tmp_path, routes=routes) as gateway:
        answer = await gateway.ask("/users", ("Host", host))
        assert answer.status == HOSTS[host]
        assert gateway.reached("admin") == 0
        if HOSTS[host] == 401:
            assert (await gateway.ask("/users", ("Host", host), key())).status == 200
            assert gateway.reached("admin") == 1


async def test_a_target_that_differs_from_host_decides_for_both(tmp_path: Path) -> None:
    """To be checked by the one host and served by the other."""
    protected = {"path": "/*", "hosts": ["admin.example"], "service": "admin", "host": "preserve"}
    routes = [
        {**protected, "middleware": [{"auth": {"any_of": methods(tmp_path)}}]},
        {"path": "/*", "service": "open", "host": "preserve"},
    ]
    async with (
        rig(tmp_path, routes=routes) as gateway,
        serve(gateway.gateway) as server,
        connect(server.port) as client,
    ):
        client.send(b"GET http://admin.example/x HTTP/1.1\r\nHost: public.example\r\n\r\n")
        assert (await client.response()).status == 401
        client.send(b"GET http://public.example/x HTTP/1.1\r\nHost: admin.example\r\n\r\n")
        assert (await client.response()).status == 200
        client.send(b"GET /x HTTP/1.1\r\nHost: public.example\r\nHost: admin.example\r\n\r\n")
        assert (await client.response()).status == 400
    assert gateway.reached("admin") == 0
    assert [seen.request.header("host") for seen in gateway.services["open"].seen] == ["public.example"]


async def test_what_travels_to_the_service_is_what_was_authorised(tmp_path: Path) -> None:
    """A client library that normalises behind the check: here over a socket, to another server."""
    origin = Recorder("origin")

    async def asked(client: RawClient, target: str) -> int:
        client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key()[1]!s}\r\n\r\n".encode("latin-1"))
        return (await client.response()).status

    async with serve(answering(origin)) as behind:
        service = BackendService("origin", [Endpoint(behind.url)], Http1Transport())
        config = configuration(tmp_path)
        ways = [{"api_key": {"keys_file": str(tmp_path / "keys.yaml")}}]
        config["routes"] = [
            {"path": "/admin/*", "service": "origin", "middleware": [{"auth": {"any_of": ways}}]},
            {"path": "/*", "service": "origin", "name": "open"},
        ]
        gateway = build_gateway(config, {"origin": service})
        async with serve(gateway) as server, connect(server.port) as client:
            for target, _ in TRICKS.values():
                origin.seen.clear()
                if not target.startswith("/") or "#" in target or " " in target or not target.isascii():
                    continue
                status = await asked(client, target)
                expected = _canonical(target.partition("?")[0])
                assert status == (200 if expected else 400)
                assert [seen.request.path for seen in origin.seen] == ([expected] if expected else [])


def _canonical(path: str) -> str | None:
    try:
        return canonical_path(path)
    except BadRequest:
        return None


PIECES = st.sampled_from(
    ["/", "//", ".", "..", "admin", "Admin", "%61", "%2e", "%2E%2e", "%2f", "%5c", "\\", ";", ";a=b", "%00", "%25", "%",
     "users", "*", "?", "%c0%af", "%c3%a9", "a", "~", "{", "|", "public"]
)  # fmt: skip
PATHS = st.lists(PIECES, max_size=12).map("".join) | st.text(st.characters(max_codepoint=255), max_size=20)


@settings(max_examples=200)
@given(path=PATHS.map(lambda path: "/" + path))
@example("/public/..;/admin")
@example("/%2e%2e/admin")
@example("//admin")
def test_whatever_the_path_the_protected_service_answers_nobody_unknown(built: Rig, path: str) -> None:
    """Any mixture of the above: behind /admin, an identity was proved, and the path is one that /admin protects."""
    gateway = built
    gateway.forget()
    answer = asyncio.run(gateway.ask(path))
    assert answer.status in (200, 400, 401)
    assert gateway.reached("admin") == 0
    known = asyncio.run(gateway.ask(path, key()))
    assert (known.status == 200) == (answer.status in (200, 401))
    for seen in gateway.services["admin"].seen:
        assert seen.identity is not None
        assert seen.request.path.split("/")[1] == "admin"
    for service in gateway.services.values():
        assert [seen.request.path for seen in service.seen] == [_canonical(path.partition("?")[0])] * len(service.seen)
    assert (gateway.reached("admin") == 1) == (answer.status == 401)
