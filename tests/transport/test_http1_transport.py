"""One request over a kept connection or a new one: serialising, connecting, TLS, the one repair."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from api_gateway.core.errors import BadRequest
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.upstream_errors import (
    ConnectFailed,
    ConnectTimeout,
    UpstreamError,
    UpstreamReset,
    UpstreamTimeout,
)
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.transport import Timeouts
from tests.support.certificates import client_context, server_context
from tests.support.http1_client import SHORT, Http1Client, http1_client
from tests.support.sockets import full_backlog, refused_port


async def streamed(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def failure(url: str, timeouts: Timeouts = SHORT) -> UpstreamError:
    transport = Http1Transport(timeouts, tls=client_context())
    with pytest.raises(UpstreamError) as caught:
        await transport.send(url, Request("GET", "/"), RequestContext())
    assert (transport.pool(url).active, transport.pool(url).idle) == (0, 0)
    await transport.close()
    return caught.value


# What goes out.


async def test_host_comes_first_and_via_is_added(client: Http1Client) -> None:
    await client.read("GET", "/ok?a=1", {"accept": "*/*", "host": "client.example", "x-own": "1"})
    authority = client.origin.url.removeprefix("http://")
    expected = [("host", authority), ("accept", "*/*"), ("x-own", "1"), ("via", "1.1 api-gateway")]
    request = client.origin.requests[0]
    assert (request.method, request.target, request.headers) == ("GET", "/ok?a=1", expected)


async def test_the_route_may_name_another_host(client: Http1Client) -> None:
    client.context.upstream_host = "internal.example"
    await client.get("/ok")
    assert client.origin.requests[0].header("host") == "internal.example"


async def test_the_base_path_of_an_endpoint_goes_before_the_path(client: Http1Client) -> None:
    request = Request("GET", "/users/1?x=%2F")
    await (await client.transport.send(client.origin.url + "/base/", request, RequestContext())).read()
    assert client.origin.requests[0].target == "/base/users/1?x=%2F"


@pytest.mark.parametrize("target", ["/a%2Fb/..;x/%2e%2e//c", "/%00?q=%0d%0a", "/?", "/x?a=b?c=d"])
async def test_a_target_goes_out_as_it_was_matched(client: Http1Client, target: str) -> None:
    await client.get(target)
    assert client.origin.requests[0].target == target.removesuffix("?")


@pytest.mark.parametrize(
    "request_",
    [
        Request.from_parts("GET", "/ok", "", Headers.from_pairs([(b"x", b"1\r\ninjected: 1")]), b""),
        Request.from_parts("GET", "/ok", "", Headers.from_pairs([(b"x", b"1\ninjected: 1")]), b""),
        Request.from_parts("GET", "/ok", "", Headers.from_pairs([(b"x", b"1\rinjected: 1")]), b""),
        Request.from_parts("GET", "/ok", "", Headers.from_pairs([(b"x: 1\r\ny", b"1")]), b""),
        Request.from_parts("GET", "/ok\r\nx:", "", Headers(), b""),
        Request.from_parts("GET", "/ok", "a\nb", Headers(), b""),
        Request.from_parts("GET", "/ok HTTP/1.1", "", Headers(), b""),
        Request.from_parts("GET /other", "/ok", "", Headers(), b""),
    ],
    ids=["crlf", "lf", "cr", "name", "path", "query", "space in target", "space in method"],
)
async def test_injection_into_the_head_is_refused_before_anything_is_sent(
    client: Http1Client, request_: Request
) -> None:
    with pytest.raises(ValueError, match=r"line break|space"):
        await client.transport.send(client.origin.url, request_, client.context)
    assert client.origin.connections == 0


async def test_injection_through_the_host_is_refused(client: Http1Client) -> None:
    client.context.upstream_host = "internal\r\ninjected: 1"
    with pytest.raises(ValueError, match=r"line break|space"):
        await client.get("/ok")
    assert client.origin.connections == 0


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("DELETE", None), ("POST", "0"), ("PUT", "0")])
async def test_an_empty_body_has_a_length_only_where_one_is_expected(
    client: Http1Client, method: str, length: str | None
) -> None:
    await client.read(method, "/ok")
    request = client.origin.requests[0]
    assert (request.header("content-length"), request.header("transfer-encoding")) == (length, None)


async def test_the_length_sent_is_that_of_the_body_and_the_only_framing(client: Http1Client) -> None:
    await client.read("POST", "/ok", {"content-length": "999", "transfer-encoding": "chunked"}, b"four")
    request = client.origin.requests[0]
    assert (request.header("content-length"), request.header("transfer-encoding")) == ("4", None)
    assert request.body == b"four"


# Uploads.


@pytest.mark.parametrize("seed", range(5))
async def test_uploads_arrive_byte_by_byte_as_they_were_sent(client: Http1Client, seed: int) -> None:
    source = random.Random(seed)
    chunks = [source.randbytes(source.choice([0, 1, 15, 16, 17, 4096, 70_000])) for _ in range(20)]
    whole = b"".join(chunks)
    await client.read("POST", "/chunked-upload", body=streamed(*chunks))
    await client.read("POST", "/counted-upload", {"content-length": str(len(whole))}, streamed(*chunks))
    await client.read("POST", "/complete-upload", body=whole)
    chunked, counted, complete = client.origin.requests
    assert chunked.body == counted.body == complete.body == whole
    assert (chunked.header("transfer-encoding"), chunked.header("content-length")) == ("chunked", None)
    assert (counted.header("transfer-encoding"), counted.header("content-length")) == (None, str(len(whole)))
    assert client.origin.connections == 1


@pytest.mark.parametrize("length", ["3", "5", "0"])
async def test_an_upload_that_lies_about_its_length_fails_and_ends_the_connection(
    client: Http1Client, length: str
) -> None:
    with pytest.raises(BadRequest):
        await client.send("POST", "/ok", {"content-length": length}, streamed(b"fo", b"ur"))
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.next_answer_is_its_own()
    assert client.origin.requests[-1].connection == 2


@pytest.mark.parametrize("length", ["-4", "+4", "4_0", "four", "", "\xb2"])
async def test_a_length_that_is_no_number_is_refused_before_anything_is_sent(client: Http1Client, length: str) -> None:
    with pytest.raises(BadRequest):
        await client.send("POST", "/ok", {"content-length": length}, streamed(b"four"))
    assert client.origin.connections == 0


async def test_an_upload_whose_source_fails_raises_that_error_and_ends_the_connection(client: Http1Client) -> None:
    class ClientLeft(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ClientLeft

    with pytest.raises(ClientLeft):
        await client.send("POST", "/ok", body=body())
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.origin.until(lambda: client.origin.open == 0)


# Kept connections and the one repair.


async def test_sequential_requests_share_a_connection(client: Http1Client) -> None:
    for _ in range(5):
        await client.next_answer_is_its_own()
    assert (client.origin.connections, client.pool.idle, client.pool.active) == (1, 1, 0)


async def test_concurrent_requests_get_their_own_answers(client: Http1Client) -> None:
    bodies = await asyncio.gather(*(client.get(f"/own/{number}") for number in range(50)))
    assert bodies == [f"GET /own/{number}".encode() for number in range(50)]
    assert client.pool.idle == client.origin.connections <= 50


@pytest.mark.parametrize("name", ["close-on-next", "reset-on-next"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_a_safe_request_on_a_stale_connection_is_sent_once_more(
    client: Http1Client, name: str, method: str
) -> None:
    await client.get(f"/{name}")
    response = await client.send(method, "/again")
    assert (response.status, response.header("x-connection")) == (200, "2")
    assert [(request.name, request.connection) for request in client.origin.requests] == [
        (name, 1),
        ("again", 1),
        ("again", 2),
    ]
    await response.close()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_an_unsafe_request_on_a_stale_connection_is_not_repeated(client: Http1Client, method: str) -> None:
    await client.get("/close-on-next")
    with pytest.raises(UpstreamReset):
        await client.send(method, "/order", body=b"one book")
    assert len(client.origin.requests) == 2


async def test_a_streamed_request_on_a_stale_connection_is_not_repeated(client: Http1Client) -> None:
    await client.get("/close-on-next")
    with pytest.raises(UpstreamReset):
        await client.send("PUT", "/order", body=streamed(b"one book"))
    assert len(client.origin.requests) == 2


async def test_a_request_whose_answer_has_begun_is_not_repeated(client: Http1Client) -> None:
    await client.get("/half-a-head-on-next")
    with pytest.raises(UpstreamReset):
        await client.get("/again")
    assert len(client.origin.requests) == 2


async def test_a_request_is_repeated_only_once(client: Http1Client) -> None:
    await client.get("/close-on-next")
    with pytest.raises(UpstreamReset):
        await client.get("/close-before-head")
    assert len(client.origin.requests) == 3


async def test_a_request_on_a_new_connection_is_not_repeated(client: Http1Client) -> None:
    with pytest.raises(UpstreamReset):
        await client.get("/close-before-head")
    assert len(client.origin.requests) == 1


async def test_a_repair_does_not_take_another_kept_connection(client: Http1Client) -> None:
    await asyncio.gather(client.get("/close-on-next"), client.get("/close-on-next"))
    assert client.pool.idle == 2
    assert await client.get("/again") == b"GET /again"
    assert client.origin.connections == 3


async def test_a_timeout_on_a_kept_connection_is_not_repeated(client: Http1Client) -> None:
    await client.get("/silent-on-next")
    with pytest.raises(UpstreamTimeout):
        await client.get("/again")
    assert len(client.origin.requests) == 2


async def test_a_connection_closed_while_idle_is_not_used_even_before_the_loop_has_noticed(client: Http1Client) -> None:
    for _ in range(5):
        await client.get("/close-when-idle")
        await client.origin.until(lambda: client.origin.open == 0)
        assert await client.read("POST", "/order", body=b"one book") == b"POST /order"


# Connecting.


async def test_a_refused_connection_fails_at_once_and_was_not_sent() -> None:
    error = await failure(f"http://127.0.0.1:{refused_port()}")
    assert isinstance(error, ConnectFailed)
    assert not error.sent


async def test_an_unresolvable_name_fails_to_connect() -> None:
    error = await failure("http://nonexistent.invalid", Timeouts(connect=10))
    assert isinstance(error, ConnectFailed)
    assert "cannot be resolved" in error.detail


async def test_an_impossible_name_fails_to_connect() -> None:
    assert isinstance(await failure(f"http://{'a' * 70}.example"), ConnectFailed)


async def test_a_connection_that_is_not_accepted_times_out() -> None:
    with full_backlog() as port:
        if port is None:
            pytest.skip("this system accepts connections beyond a full backlog")
        error = await failure(f"http://127.0.0.1:{port}", Timeouts(connect=0.1))
    assert isinstance(error, ConnectTimeout)
    assert not error.sent


async def test_cancelling_while_connecting_leaves_nothing() -> None:
    with full_backlog() as port:
        if port is None:
            pytest.skip("this system accepts connections beyond a full backlog")
        transport = Http1Transport(Timeouts(connect=5))
        url = f"http://127.0.0.1:{port}"
        tasks = asyncio.all_tasks()
        task = asyncio.create_task(transport.send(url, Request("GET", "/"), RequestContext()))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (transport.pool(url).active, asyncio.all_tasks()) == (0, tasks)


@pytest.mark.parametrize("ticks", range(12))
async def test_cancelling_at_any_step_of_a_new_connection_leaves_nothing(client: Http1Client, ticks: int) -> None:
    task = asyncio.create_task(client.send("GET", "/never-answers"))
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.pool.active == 0
    await client.next_answer_is_its_own()


# TLS.


async def test_an_https_service_with_a_trusted_certificate_answers() -> None:
    async with http1_client(server_tls=server_context(), tls=client_context()) as client:
        await client.next_answer_is_its_own()
        await client.next_answer_is_its_own()
        assert client.origin.connections == 1
        assert sum([len(chunk) async for chunk in (await client.send("GET", "/flood")).stream()]) == 64 * 2**20


async def test_certificates_are_verified_by_default() -> None:
    async with http1_client(server_tls=server_context()) as client:
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get("/ok")
        assert client.origin.requests == []


async def test_the_default_context_trusts_the_authorities_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authorities.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    async with http1_client(server_tls=server_context(authority=authority)) as client:
        await client.next_answer_is_its_own()
    async with http1_client(server_tls=server_context("other.example", authority=authority)) as client:
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get("/ok")


@pytest.mark.parametrize("server", [server_context("other.example"), server_context(expired=True)])
async def test_a_certificate_for_another_name_or_time_fails_to_connect(server: object) -> None:
    async with http1_client(server_tls=server, tls=client_context()) as client:  # type: ignore[arg-type]
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get("/ok")
        assert client.origin.requests == []


async def test_https_to_a_service_without_tls_fails_to_connect() -> None:
    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert isinstance(await failure(f"https://127.0.0.1:{port}"), ConnectFailed)


async def test_a_reader_over_tls_that_does_not_read_stops_the_service() -> None:
    async with http1_client(server_tls=server_context(), tls=client_context()) as client:
        response = await client.send("GET", "/flood")
        await client.origin.until(lambda: client.origin.stalled >= 1)
        assert client.origin.written < 8 * 2**20
        await response.close()


# Closing.


async def test_closing_ends_what_is_under_way_and_does_not_send_it_again(client: Http1Client) -> None:
    await client.get("/ok")
    waiting = asyncio.create_task(client.send("GET", "/never-answers"))  # on the kept connection
    await client.origin.until(lambda: len(client.origin.requests) == 2)
    body = await client.send("GET", "/stall-in-body")
    await client.origin.until(lambda: len(client.origin.requests) == 3)
    await client.transport.close()
    with pytest.raises(UpstreamReset):
        await waiting
    with pytest.raises(UpstreamReset):
        await body.read()
    await client.origin.until(lambda: client.origin.open == 0)
    assert len(client.origin.requests) == 3


async def test_closing_while_connecting_leaves_no_connection(client: Http1Client) -> None:
    pool = client.pool
    connecting = asyncio.create_task(client.send("GET", "/never-answers"))
    await asyncio.sleep(0)
    await client.transport.close()
    with pytest.raises(UpstreamReset):
        await connecting
    assert (pool.active, pool.idle) == (0, 0)
    await client.origin.until(lambda: client.origin.open == 0)
