"""A body ends as it ended behind us: well, or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

from broken import Metering

from api_gateway import Request, RequestContext, Response, chain
from api_gateway.core.upstream_errors import UpstreamError, UpstreamReset
from api_gateway.simulation import run


class Storage:
    """Streams chunks, and breaks off behind them if it is told to. Knows whether its body was closed."""

    def __init__(self, *chunks: bytes, breaks: bool = False, announced: int | None = None, status: int = 200) -> None:
        self.chunks, self.breaks, self.status = chunks, breaks, status
        self.headers = {} if announced is None else {"content-length": str(announced)}
        self.open = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.open += 1
        response = Response(self.status, self.headers, self._body())
        response.on_close(self._closed)
        return response

    async def _body(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.breaks:
            raise UpstreamReset("the connection to the storage broke")

    def _closed(self) -> None:
        self.open -= 1


async def ask(storage: Storage, meter: Metering, method: str = "GET") -> Response:
    return await chain([meter], storage)(Request(method, "/backup"), RequestContext())


async def download(storage: Storage, meter: Metering, method: str = "GET") -> tuple[bytes, str, Response]:
    """What arrived, how it ended, and the response."""
    response = await ask(storage, meter, method)
    arrived = b""
    try:
        async for chunk in response.stream():
            arrived += chunk
    except UpstreamError:
        return arrived, "cut", response
    return arrived, "complete", response


def test_what_is_whole_passes_and_is_counted() -> None:
    for announced in (None, 6):
        meter = Metering()
        arrived, ending, response = run(download, Storage(b"abc", b"def", announced=announced), meter)
        assert (arrived, ending) == (b"abcdef", "complete"), f"all is well; the client got {arrived!r}, {ending}"
        assert response.complete, "the access log must see that it was complete"
        assert meter.counted == 6, f"6 bytes passed and {meter.counted} were counted"


def test_a_body_that_breaks_off_does_not_end_well() -> None:
    meter = Metering()
    arrived, ending, response = run(download, Storage(b"abc", breaks=True), meter)
    assert ending == "cut", f"the storage broke off behind {arrived!r}, and the client was told that this is all of it"
    assert isinstance(response.failure, UpstreamError), "the access log must see what ended the body"
    assert meter.counted == 3, f"what did pass is counted: {meter.counted} of 3"


def test_a_body_that_stops_too_early_does_not_end_well() -> None:
    arrived, ending, _ = run(download, Storage(b"abc", announced=6), Metering())
    assert ending == "cut", f"Content-Length says 6, {len(arrived)} bytes came, and the client was told: {ending}"


def test_without_a_body_nothing_is_missing() -> None:
    for method, status in (("HEAD", 200), ("GET", 304)):
        _, ending, _ = run(download, Storage(announced=6, status=status), Metering(), method)
        assert ending == "complete", f"{method} answered with {status}: the length describes a body that is not sent"


def test_a_reader_that_leaves_frees_the_service() -> None:
    async def scenario(chunks: int) -> int:
        storage = Storage(b"abc", b"def", b"ghi")
        response = await ask(storage, Metering())
        if chunks:
            stream = response.stream()
            for _ in range(chunks):
                await anext(stream)
        await response.close()
        return storage.open

    for chunks in (0, 1, 2):
        left = run(scenario, chunks)
        assert left == 0, f"the client left after {chunks} chunks, and the answer of the storage is still open"


def test_however_it_is_cut_up_the_client_is_told_the_truth() -> None:
    random = Random(19)
    for _ in range(500):
        chunks = [random.randbytes(random.randrange(1, 9)) for _ in range(random.randrange(6))]
        whole = b"".join(chunks)
        breaks, lacking = random.random() < 0.3, random.choice([None, 0, 0, 1, 5])
        storage = Storage(*chunks, breaks=breaks, announced=None if lacking is None else len(whole) + lacking)
        meter = Metering()
        arrived, ending, _ = run(download, storage, meter)
        expected = "cut" if breaks or lacking else "complete"
        told = f"{len(whole)} bytes, breaks: {breaks}, lacking: {lacking}"
        assert (arrived, ending) == (whole, expected), f"{told}: the client got {len(arrived)} bytes and saw {ending!r}"
        assert meter.counted == len(whole), f"{told}: {meter.counted} were counted"
        assert storage.open == 0, f"{told}: the answer of the storage is still open"
