"""chain: the first of the list is the outermost layer, composed once."""

from __future__ import annotations

from collections.abc import Awaitable

from api_gateway.core.middleware import Handler, Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response


class Layer:
    """Notes when it is entered and left."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        self.notes.append(f"{self.name} in")
        response = await call_next(request, context)
        self.notes.append(f"{self.name} out")
        return response


async def ask(handler: Handler, request: Request | None = None) -> bytes:
    return await (await handler(request or Request("GET", "/"), RequestContext())).read()


async def service(request: Request, context: RequestContext) -> Response:
    return Response.text(request.path)


async def test_the_first_layer_is_entered_first_and_left_last() -> None:
    notes: list[str] = []
    assert await ask(chain([Layer("a", notes), Layer("b", notes), Layer("c", notes)], service)) == b"/"
    assert notes == ["a in", "b in", "c in", "c out", "b out", "a out"]


def test_an_empty_chain_is_the_handler_itself() -> None:
    assert chain([], service) is service


async def test_a_layer_may_answer_itself_and_what_is_further_in_never_runs() -> None:
    notes: list[str] = []

    async def refuse(request: Request, context: RequestContext, call_next: Handler) -> Response:
        return Response.text("no", 403)

    assert await ask(chain([Layer("a", notes), refuse, Layer("b", notes)], service)) == b"no"
    assert notes == ["a in", "a out"]


async def test_a_layer_may_call_the_next_one_several_times() -> None:
    calls: list[str] = []

    async def counting(request: Request, context: RequestContext) -> Response:
        calls.append(request.path)
        return Response(503 if len(calls) < 3 else 200)

    async def retry(request: Request, context: RequestContext, call_next: Handler) -> Response:
        response = await call_next(request, context)
        while response.status == 503:
            await response.close()
            response = await call_next(request, context)
        return response

    assert (await chain([retry], counting)(Request("GET", "/x"), RequestContext())).status == 200
    assert calls == ["/x", "/x", "/x"]


async def test_a_layer_may_be_a_plain_function_that_changes_the_request() -> None:
    def move(request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        return call_next(request.with_path("/moved"), context)

    assert await ask(chain([move], service)) == b"/moved"


async def test_the_chain_is_composed_once_and_later_changes_of_the_list_do_nothing() -> None:
    notes: list[str] = []
    layers: list[Middleware] = [Layer("a", notes)]
    handler = chain(layers, service)
    layers.append(Layer("late", notes))
    await ask(handler)
    assert notes == ["a in", "a out"]
