"""What is for one hop stays there; what the gateway says arrives."""

from __future__ import annotations

from itertools import permutations

from broken import HOP_BY_HOP, Forwarder

from api_gateway import Headers, Request, RequestContext, Response, chain
from api_gateway.core.identity import Identity
from api_gateway.simulation import run


def exchange(sent: list[tuple[str, str]], answered: list[tuple[str, str]], caller: str = "") -> tuple[Headers, Headers]:
    """What the service got, and what the client got."""

    async def scenario() -> tuple[Headers, Headers]:
        arrived: list[Headers] = []

        async def service(request: Request, context: RequestContext) -> Response:
            arrived.append(request.headers)
            return Response(200, answered, b"ok")

        context = RequestContext()
        context.identity = Identity(caller, "jwt") if caller else None
        response = await chain([Forwarder()], service)(Request("GET", "/", headers=sent), context)
        await response.read()
        return arrived[0], response.headers

    return run(scenario)


def test_the_rest_passes_as_it_is() -> None:
    fields = [("accept", "*/*"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-trace", "7")]
    got, returned = exchange(fields, fields)
    assert list(got) == fields, f"end-to-end fields must arrive as they were sent, and were {got}"
    assert list(returned) == fields, f"the same holds for the answer, which was {returned}"


def test_the_gateways_own_word_arrives_whatever_the_client_names() -> None:
    for names in ("x-user-id", "close, X-User-Id", "X-USER-ID ,keep-alive"):
        got, _ = exchange([("connection", names)], [], caller="42")
        assert got.get_all("x-user-id") == ["42"], f"`Connection: {names}` took away who is calling: {got}"


def test_nobody_but_the_gateway_says_who_is_calling() -> None:
    got, _ = exchange([("x-user-id", "1")], [])
    assert "x-user-id" not in got, f"nobody has proved anything, and the service is told {got}"
    got, _ = exchange([("x-user-id", "1")], [], caller="42")
    assert got.get_all("x-user-id") == ["42"], f"caller 42 is the only one who was proved; the service is told {got}"


def test_named_fields_stop_here_in_both_directions() -> None:
    fields = [("connection", "close, X-Secret"), ("connection", "x-other"), ("x-secret", "s"), ("X-Other", "o")]
    got, returned = exchange(fields, fields)
    assert not len(got), f"the client's Connection names x-secret and x-other; the service got {got}"
    assert not len(returned), f"the service's Connection names x-secret and x-other; the client got {returned}"


def test_the_order_of_fields_makes_no_difference() -> None:
    fields = [("te", "trailers"), ("x-a", "1"), ("connection", "x-a"), ("upgrade", "h2c"), ("x-b", "2")]
    for order in permutations(fields):
        got, returned = exchange(list(order), list(order), caller="42")
        assert set(got) == {("x-b", "2"), ("x-user-id", "42")}, f"sent {order}, the service got {got}"
        assert list(returned) == [("x-b", "2")], f"the service answered {order}, the client got {returned}"
    got, _ = exchange([(name, "x") for name in HOP_BY_HOP], [])
    assert not len(got), f"none of these may be passed on: {got}"
