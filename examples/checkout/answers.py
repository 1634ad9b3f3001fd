"""Answers: how a checkout's end is told to the client.

Rule: a refusal keeps the status with which its service refused (402, 404, 409, 422); whatever else went wrong is a
502 after everything was undone, and a 500 if something could not be. Problems look like the gateway's own (RFC 9457).
An answer that is not the first one for its key says `Idempotent-Replayed: true`.

What it does not do: tell the client which machine failed how. That is in the log, under the checkout's name.
"""

from __future__ import annotations

import json

from api_gateway import Response
from api_gateway.core.error_boundary import PROBLEM_TYPE
from examples.checkout.idempotency import Answer
from examples.checkout.purchase import Purchase
from examples.checkout.saga import Outcome, Refused, Stopped

_PROBLEM = "application/problem+json"
_REFUSALS = frozenset({402, 404, 409, 422})


def answer_to(outcome: Outcome, identifier: str, purchase: Purchase) -> Answer:
    """What the client is told of a checkout that has ended."""
    if outcome.ending == "done":
        success = {"status": "success", "order_id": purchase.order_id, "total_cents": purchase.total_cents}
        return Answer(201, "application/json", json.dumps({**success, "checkout": identifier}).encode())
    members: dict[str, object] = {"checkout": identifier, "step": outcome.step}
    if outcome.ending == "needs_human":
        detail = "Not everything could be undone. People have been told; name this checkout if you ask them."
        members["left"] = list(outcome.left)
        return _problem(500, "checkout-needs-human", "The checkout is half done", detail, members)
    failure = outcome.failure
    if isinstance(failure, Stopped):
        detail = "Whoever asked left before payment began. Everything is undone; take a new key to try again."
        return _problem(409, "checkout-abandoned", "The checkout was abandoned", detail, members)
    if isinstance(failure, Refused) and failure.status in _REFUSALS:
        detail = f"{failure}. Everything is undone."
        return _problem(failure.status, "checkout-refused", "The checkout was refused", detail, members)
    detail = "A service failed. Everything is undone; take a new key to try again."
    return _problem(502, "checkout-failed", "The checkout failed", detail, members)


def still_running(request_id: str) -> Response:
    """For who asks again before there is an answer."""
    detail = "The first request with this Idempotency-Key is still being worked on; ask again in a moment."
    answer = _problem(409, "checkout-running", "The checkout is running", detail, {"request_id": request_id})
    return _response(answer, ("retry-after", "1"))


def first(answer: Answer) -> Response:
    """The answer, to who asked first."""
    return _response(answer)


def replay(answer: Answer) -> Response:
    """The answer, to who asks again."""
    return _response(answer, ("idempotent-replayed", "true"))


def _problem(status: int, code: str, title: str, detail: str, members: dict[str, object]) -> Answer:
    problem = {"type": PROBLEM_TYPE + code, "title": title, "status": status, "code": code, "detail": detail, **members}
    return Answer(status, _PROBLEM, json.dumps(problem).encode())


def _response(answer: Answer, *more: tuple[str, str]) -> Response:
    fields = [("content-type", answer.content_type), ("content-length", str(len(answer.body)))]
    return Response(answer.status, [*fields, ("cache-control", "no-store"), *more], answer.body)
