"""The fix: a key in two steps: the target and the caller, then the fields that the answer says it depends on.

Why: an answer is a function of the request, and a key must hold every argument of that function. The caller is the one
that `context.identity` names, never what a header merely claims. `Vary` is known only after the first answer, so it is
remembered for each target; `Vary: *` says that it depends on things no cache can see.

What it costs: an entry for each caller and variant, so the hit rate falls to what is honest; what is the same for all
should be served without identity, or be marked `public`. A caller with two tokens of different scopes still shares an
entry here: the package puts scopes, roles and tier in the key, too. And `Vary: Cookie` makes each visitor a variant: a
bound on the number of entries is no luxury.
"""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response


class CacheMiddleware:
    """Answers what was asked before. In this exercise everything stays fresh."""

    def __init__(self) -> None:
        self._vary: dict[tuple[str, ...], set[str]] = {}
        self._kept: dict[tuple[object, ...], tuple[Response, bytes]] = {}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer from what is kept, or ask and keep."""
        if request.method != "GET":
            return await call_next(request, context)
        caller = context.identity.key if context.identity is not None else ""
        target = (request.header("host") or "", request.path, request.query, caller)
        kept = self._kept.get(self._key(target, request))
        if kept is None:
            response = await call_next(request, context)
            body = await response.read()
            names = {name.lower() for name in response.headers.tokens("vary")}
            if response.status != 200 or "*" in names:
                return Response(response.status, response.headers, body)
            self._vary.setdefault(target, set()).update(names)
            kept = self._kept[self._key(target, request)] = (response, body)
        response, body = kept
        return Response(response.status, response.headers, body)

    def _key(self, target: tuple[str, ...], request: Request) -> tuple[object, ...]:
        names = sorted(self._vary.get(target, ()))
        return (target, tuple((name, tuple(request.headers.get_all(name))) for name in names))
