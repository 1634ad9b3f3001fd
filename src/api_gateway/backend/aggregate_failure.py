"""Aggregate failure: why a part of an answer is not there, and what the client is told of it.

Rule: what a service answered is not lost. Its status and its body stand in the problem of the part, as they would
have reached the client from a plain route. Of what the gateway itself found out, a 5xx gives its title only.

The status of the whole, when a part that must be there has failed:

| what happened to the part                              | the client gets                                         |
|--------------------------------------------------------|---------------------------------------------------------|
| 401, 403, 429, 451: about the caller                   | the same, with WWW-Authenticate and Retry-After         |
| 400, 404, 409, 410, 422: about what was asked for      | the same if the part's path is made of the client's     |
|                                                        | request alone; else 502: it did not ask for that        |
| 503, 504                                               | the same, with Retry-After                              |
| any other status, redirects too; not JSON; too large   | 502                                                     |
| no answer: breaker open, no connection, late, ...      | what a plain route would give: 502, 503, 504            |
| a value of the client's request is missing or unfit    | 400; 403 for a fact about the caller                    |
| a value of another part is missing or unfit            | 502                                                     |

What it does not do: decide whether the part must be there (`aggregator.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from api_gateway.backend.aggregate_json import read_json
from api_gateway.backend.aggregate_template import UnfitValue
from api_gateway.core.errors import GatewayError, InternalError
from api_gateway.core.headers import HeaderPairs
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamProtocolError, UpstreamTimeout

LONGEST_BODY = 64 * 1024
"""Bytes of a service's own words that go into a problem; a longer body is left out."""

_ABOUT_THE_CALLER = frozenset({401, 403, 429, 451})
_ABOUT_THE_REQUEST = frozenset({400, 404, 409, 410, 422})
_PASSED_ON = frozenset({503, 504})
_TOLD_ALONG = frozenset({b"retry-after", b"www-authenticate"})
_DEPENDS = 424


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one part, or with one element of it."""

    status: int
    """The service's own, or the gateway's for what it found."""
    title: str
    code: str
    detail: str
    """For the log; for the client, too, below 500."""
    flag: str = "-"
    answered: bool = False
    """Whether a service gave this status."""
    body: object = None
    """What the service said, as JSON; None if nothing, or nothing that can be shown."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """What belongs to the status."""
    service: str = ""
    endpoint: str = ""
    items: tuple[int, ...] = ()
    """Positions of the elements that are missing, where not all are."""

    def problem(self) -> dict[str, object]:
        """As a member of the client's answer."""
        problem: dict[str, object] = {"title": self.title, "status": self.status, "code": self.code}
        if self.status < 500 and self.detail != self.title:
            problem["detail"] = self.detail
        if self.body is not None:
            problem["body"] = self.body
        if self.items:
            problem["items"] = list(self.items)
        return problem

    def status_for_client(self, *, rooted: bool) -> int:
        """The status of the whole; `rooted` says whether the client named all that the part asked for."""
        if not self.answered:
            return self.status
        if self.status in _ABOUT_THE_CALLER or self.status in _PASSED_ON:
            return self.status
        return self.status if rooted and self.status in _ABOUT_THE_REQUEST else 502

    def at(self, items: tuple[int, ...]) -> Failure:
        """This failure, of these elements only."""
        return replace(self, items=items)


class PartFailed(Exception):
    """A request of a part gave nothing that can be used."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def answered_with(response: Response, body: bytes | None, context: RequestContext) -> Failure:
    """A service answered with something else than a 2xx; `body` is None if it was too long."""
    said = None if body is None or len(body) > LONGEST_BODY else _shown(response, body)
    told: HeaderPairs = [pair for pair in response.headers.pairs if pair[0] in _TOLD_ALONG]
    title = f"The service answered {response.status}"
    return Failure(
        response.status,
        title,
        "upstream-status",
        title,
        answered=True,
        body=said,
        headers=tuple(told),
        service=context.service,
        endpoint=context.endpoint,
    )


def failed_with(error: Exception, context: RequestContext) -> Failure:
    """Nobody answered, or not to the end."""
    if not isinstance(error, GatewayError):
        error = InternalError(f"{type(error).__name__}: {error}")
    told = tuple(pair for pair in error.headers.pairs if pair[0] in _TOLD_ALONG)
    return Failure(
        error.status,
        error.title,
        error.code,
        error.detail,
        error.flag,
        headers=told,
        service=context.service,
        endpoint=context.endpoint,
    )


def unusable(reason: str, context: RequestContext) -> Failure:
    """A service answered with a 2xx, and it cannot be used."""
    return failed_with(UpstreamProtocolError(reason), context)


def too_large(reason: str) -> Failure:
    """The answers of all elements are too much together."""
    return failed_with(UpstreamProtocolError(reason), RequestContext())


def late(seconds: float) -> Failure:
    """The part's own time was over."""
    return failed_with(UpstreamTimeout(f"no answer within {seconds:g} s"), RequestContext())


def unfit(error: UnfitValue, *, from_client: bool) -> Failure:
    """The path cannot be made, because of a value of the client's request or of another part."""
    if error.source == "identity":
        return Failure(403, "The caller is not known well enough", "part-unfit-value", f"{error}")
    status, title = (400, "A value is missing or unfit") if from_client else (502, "An answer lacks what is needed")
    return Failure(status, title, "part-unfit-value", f"{error}")


def no_list(reason: str) -> Failure:
    """There is no list of elements, or none that can be asked for."""
    return Failure(502, "An answer lacks the list that is needed", "part-unfit-list", reason)


def skipped(needed: str) -> Failure:
    """A part that this one needs is not there."""
    return Failure(_DEPENDS, "It depends on another part", "part-skipped", f"it needs {needed}, which is not there")


def _shown(response: Response, body: bytes) -> object:
    try:
        return read_json(body)
    except ValueError:
        pass
    kind = response.header("content-type") or ""
    return body.decode("utf-8", "replace") if kind.lower().startswith("text/") else None
