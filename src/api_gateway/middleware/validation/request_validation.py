"""Request validation: what a route does not take stops here, before the service spends anything on it.

Rule, in order of price, each refusal with its status:

| looked at       | malformed, or ambiguous         | well formed, but not what it must be          |
|-----------------|---------------------------------|-----------------------------------------------|
| query           | 400                             | 422                                           |
| presence        | 400: `required`, and no body    |                                               |
| type, charset   | 400                             | 415, and `Accept` says what is taken          |
| content coding  | 400: cut off, or not that       | 415, and `Accept-Encoding` says what is taken |
| size            | 400: not as long as announced   | 413, at the first byte too many               |
| document        | 400                             | 422: too deep, too much, not as the schema is |

Up to ten errors are in the problem's member `errors`, each `POINTER: message`: `/items/0/price`, `#` for
the whole body, `?page` for a query.

A body is held to all of this whatever the method, GET too: a service that reads the body of a GET would be the
way around. `required` speaks of POST, PUT and PATCH only, whose meaning is their body. No body needs no type;
a stream that was announced needs one, though it may turn out to be empty.

Only where a document is inspected is the body kept, up to `max_body`, and again as much for what a compressed one
holds; the service gets the bytes as they came. Otherwise it streams, and is counted by `body_limit.py` as it does.

Cost: without a body, 0.3 us, and 2 us more for a query of two; with a type and a size only, 1.5 us. 1 KiB of JSON
with a schema takes about 50 us if it has 60 members, and 13 us if it is one long text. All of it is on the event
loop, so `max_body` bounds how long others wait: up to 35 ms for 256 KiB made to be slow, where 3 to 8 are usual.

What it does not do: change requests, look at answers, or fill in defaults that a schema names.

Source: RFC 9110 sections 8.3, 8.4, 9.3.1, 15.5.14, 15.5.16, 15.5.21; RFC 9457 section 3 (`errors`).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Sequence
from functools import partial

from api_gateway.core.errors import BadRequest, ClientError, UnprocessableContent, UnsupportedMediaType
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.body.content_coding import content_coding, decoded
from api_gateway.middleware.body.json_limits import JsonLimits, NotJson, OverJsonLimit, read_json
from api_gateway.middleware.body.media_type import AcceptedTypes
from api_gateway.middleware.body.whole_body import whole_body
from api_gateway.middleware.body_limit import BodyLimitMiddleware
from api_gateway.middleware.validation.json_schema import JsonSchema
from api_gateway.middleware.validation.query_parameters import QuerySchema

JSON_TYPES = ("application/json", "application/*+json")
"""What is taken where a document is inspected and nothing is said of its type."""
INSPECTED_BODY = 256 * 1024
"""Bytes that are inspected where no limit is given."""

_MEANT_FOR_THEIR_BODY = frozenset({"POST", "PUT", "PATCH"})
_CHARSETS = frozenset({"", "utf-8"})


class RequestValidationMiddleware:
    """Refuses requests that are not what a route takes."""

    __slots__ = ("_limits", "_max_body", "_query", "_required", "_schema", "_sized", "_types")

    def __init__(
        self,
        *,
        content_types: Sequence[str] = (),
        max_body: int | None = None,
        body: JsonSchema | None = None,
        limits: JsonLimits | None = None,
        query: QuerySchema | None = None,
        required: bool = False,
    ) -> None:
        """`max_body` is in bytes. Bodies are inspected where `body` or `limits` is given.

        Raises:
            ConfigurationError: `content_types` has something that is none.
        """
        self._schema = body
        self._limits = limits or (JsonLimits() if body is not None else None)
        if self._limits is not None:
            content_types = content_types or JSON_TYPES
            max_body = max_body or INSPECTED_BODY
        self._types = AcceptedTypes(content_types) if content_types else None
        self._max_body = max_body or 0
        self._sized = BodyLimitMiddleware(max_body) if max_body else None
        self._query = query
        self._required = required

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Pass on what is as it must be.

        Raises:
            ClientError: it is not; see the module's table.
        """
        if self._query is not None:
            errors = self._query.errors(request.query)
            if errors:
                raise _not_as_it_must_be("query", [f"?{pointer[1:]}: {message}" for pointer, message in errors])
        required = self._required and request.method in _MEANT_FOR_THEIR_BODY
        if request.body == b"":
            if required:
                raise _missing()
            return call_next(request, context)
        coding = self._check_type(request)
        then = call_next
        if self._limits is not None:
            then = partial(self._inspect, coding, required, call_next)
        elif required and not isinstance(request.body, bytes):
            request = request.with_body(_begun(request.body))
        return then(request, context) if self._sized is None else self._sized(request, context, then)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """What is looked at, and the type of the body that came."""
        return {
            "query": self._query is not None,
            "required": self._required and request.method in _MEANT_FOR_THEIR_BODY,
            "types": None if self._types is None else self._types.headers.get("accept"),
            "type": request.header("content-type"),
            "limit": self._max_body or None,
            "schema": self._schema is not None,
            "depth": None if self._limits is None else self._limits.depth,
            "items": None if self._limits is None else self._limits.items,
        }

    def _check_type(self, request: Request) -> str:
        """The content coding, where the body will be inspected."""
        if self._types is None:
            return ""
        media_type = self._types.check(request.headers)
        if media_type.is_json and media_type.charset not in _CHARSETS:
            raise UnsupportedMediaType("JSON is UTF-8, and no other charset.", headers=self._types.headers)
        return content_coding(request.headers) if self._limits is not None else ""

    async def _inspect(
        self, coding: str, required: bool, call_next: Handler, request: Request, context: RequestContext
    ) -> Response:
        body = await whole_body(request, self._max_body)
        if body:
            self._check_document(decoded(body, coding, self._max_body) if coding else body)
        elif required:
            raise _missing()
        return await call_next(request.with_body(body), context)

    def _check_document(self, content: bytes) -> None:
        assert self._limits is not None
        try:
            document = read_json(content, self._limits)
        except NotJson as error:
            raise BadRequest(f"The body {error}.") from None
        except OverJsonLimit as error:
            raise UnprocessableContent(f"The body {error}.") from None
        if self._schema is not None:
            errors = self._schema.errors(document)
            if errors:
                raise _not_as_it_must_be("body", [f"{pointer or '#'}: {message}" for pointer, message in errors])


async def _begun(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same stream; fails at its end where nothing came, before the service has seen an end."""
    nothing = True
    async for chunk in body:
        nothing = nothing and not chunk
        yield chunk
    if nothing:
        raise _missing()


def _missing() -> ClientError:
    return BadRequest("A body is required here.")


def _not_as_it_must_be(what: str, errors: list[str]) -> ClientError:
    # What is wrong is the client's to read; the detail goes to logs, and has no word of the client's in it.
    error = UnprocessableContent(f"The {what} is not what it must be; see 'errors'.")
    error.members = {"errors": errors}
    return error
