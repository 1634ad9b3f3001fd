"""Nothing is done twice that must be done once, and nothing is given up that could have been tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import product

from broken import RetryMiddleware

from api_gateway import Request, RequestContext, Response, chain
from api_gateway.core.request import IDEMPOTENT_METHODS, Body
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamError, UpstreamReset
from api_gateway.simulation import run


class Ledger:
    """A service that writes down what it did, and fails as it is told: `ok` when it has been told nothing more."""

    def __init__(self, *fate: str) -> None:
        self.fate = list(fate)
        self.calls = 0
        self.done: list[bytes] = []
        self.closed = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.calls += 1
        fate = self.fate.pop(0) if self.fate else "ok"
        if fate == "refused":
            raise ConnectFailed("nobody listens")
        self.done.append(await request.read())
        if fate == "broke off":
            raise UpstreamReset("the connection broke after the work was done")
        response = Response(503 if fate == "busy" else 200)
        response.on_close(self._count)
        return response

    def _count(self) -> None:
        self.closed += 1


def send(ledger: Ledger, method: str, body: Body = b"7 euros") -> int:
    """The status that the client gets; 502 for an error."""

    async def scenario() -> int:
        try:
            response = await chain([RetryMiddleware()], ledger)(Request(method, "/", body=body), RequestContext())
        except UpstreamError as error:
            return error.status
        await response.close()
        return response.status

    return run(scenario)


async def streamed(chunks: Sequence[bytes] = (b"7 ", b"euros")) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def test_what_may_be_repeated_is_repeated() -> None:
    for method, fate in product(("GET", "PUT", "DELETE"), ("refused", "broke off", "busy")):
        ledger = Ledger(fate, fate)
        status = send(ledger, method)
        assert (status, ledger.calls) == (200, 3), f"{method}, twice {fate!r}: got {status} after {ledger.calls} calls"
        assert ledger.closed == ledger.calls - 2 * (fate != "busy"), "an answer that is not passed on must be closed"


def test_a_payment_that_may_have_been_made_is_not_made_again() -> None:
    for method, fate in product(("POST", "PATCH"), ("broke off", "busy")):
        ledger = Ledger(fate, fate)
        send(ledger, method)
        times = len(ledger.done)
        assert times == 1, f"the first {method} was done, then it {fate!r}; it was sent again and done {times} times"


def test_a_payment_that_never_left_is_tried_again() -> None:
    ledger = Ledger("refused", "refused")
    status = send(ledger, "POST")
    assert status == 200, (
        f"the connection was refused, so nothing was sent and a POST is safe to repeat; it got {status}"
    )


def test_a_stream_that_was_read_is_not_sent_empty() -> None:
    ledger = Ledger("broke off")
    send(ledger, "PUT", streamed())
    assert ledger.done == [b"7 euros"], f"the second try had no body left to send: the service stored {ledger.done}"
    ledger = Ledger("refused")
    status = send(ledger, "PUT", streamed())
    assert (status, ledger.done) == (200, [b"7 euros"]), f"nobody had read the stream, so it can be sent: got {status}"


def test_whatever_fails_in_whatever_order_the_ledger_is_right() -> None:
    fates = ("ok", "refused", "broke off", "busy")
    for method, stream, *fate in product(("GET", "PUT", "POST", "PATCH"), (False, True), fates, fates, fates):
        ledger = Ledger(*fate)
        send(ledger, method, streamed() if stream else b"7 euros")
        told = f"{method} with a {'streamed' if stream else 'complete'} body, told {fate}: done {ledger.done}"
        assert set(ledger.done) <= {b"7 euros"}, f"{told}: a body was lost"
        assert method in IDEMPOTENT_METHODS or len(ledger.done) <= 1, f"{told}: more than once"
        assert ledger.done or fate == ["refused"] * 3, f"{told}: given up although it was safe to try again"
