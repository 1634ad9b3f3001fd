"""Aggregate answer: what the client gets, made of what the parts gave.

Rule: the members stand in the order of the configuration, whatever came first. An answer that lacks something says so
in three ways, for three readers: `X-Partial-Response` for programs that read headers, `_problems` for those that read
the body, and `no-store` for caches. If the answer's shape has a place for `_problems`, that is where they are; else
they are added, if the answer is an object.

What it does not do: ask anybody.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from api_gateway.backend.aggregate_caching import caching_of, varying_of
from api_gateway.backend.aggregate_failure import Failure, failed_with
from api_gateway.backend.aggregate_json import write_json
from api_gateway.backend.aggregate_plan import PROBLEMS, Plan
from api_gateway.core.error_boundary import PROBLEM_TYPE, problem_headers
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamProtocolError

PARTIAL = b"x-partial-response"
"""Names the parts that are missing from an answer."""

_log = logging.getLogger("api_gateway.errors")


def whole(
    plan: Plan,
    values: Mapping[str, object],
    failures: Mapping[str, Failure],
    headers: Sequence[Headers],
    context: RequestContext,
) -> Response:
    """The answer with all parts, or with null for optional ones that have failed.

    Args:
        plan: the parts and the shape.
        values: by part.
        failures: by optional part.
        headers: of all answers that are in it.
        context: told who failed.
    """
    problems = _problems(plan, failures)
    parts: dict[str, object] = {part.name: values[part.name] for part in plan.parts}
    try:
        body = write_json(_shaped(plan, parts, problems))
    except (ValueError, RecursionError) as error:
        _log.error("the answer of the aggregate %s cannot be shaped: %s", context.service, error)
        return failed(
            plan, {**failures, "": failed_with(UpstreamProtocolError(f"no shape: {error}"), context)}, context
        )
    fields: HeaderPairs = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    if failures:
        _tell(context, failures, problems)
        fields += [(PARTIAL, ", ".join(problems).encode()), (b"cache-control", b"no-store")]
    elif caching := caching_of(headers, private=plan.reads_identity):
        fields.append((b"cache-control", caching.encode()))
    if varying := varying_of(headers, plan.headers):
        fields.append((b"vary", varying.encode("latin-1")))
    return Response(200, Headers.from_pairs(fields), body)


def failed(plan: Plan, failures: Mapping[str, Failure], context: RequestContext) -> Response:
    """The problem that stands for the answer, because a part that must be there is not."""
    problems = _problems(plan, failures)
    required = [part for part in plan.parts if part.name in failures and not part.optional]
    rooted = bool(required) and plan.rooted(required[0])
    cause = failures[required[0].name if required else ""]
    status = cause.status_for_client(rooted=rooted)
    problem: dict[str, object] = {
        "type": f"{PROBLEM_TYPE}{_CODE}",
        "title": "A part of the answer is missing",
        "status": status,
        "code": _CODE,
    }
    if context.request_id:
        problem["request_id"] = context.request_id
    problem["parts"] = problems
    body = json.dumps(problem).encode()
    context.error_code = _CODE
    _tell(context, failures, problems)
    context.flag, context.endpoint = cause.flag, cause.endpoint
    told = cause.headers if status == cause.status else ()
    return Response(status, Headers.from_pairs([*problem_headers(body), *told]), body)


_CODE = "part-failed"


def _problems(plan: Plan, failures: Mapping[str, Failure]) -> dict[str, object]:
    return {part.name: failures[part.name].problem() for part in plan.parts if part.name in failures}


def _shaped(plan: Plan, parts: dict[str, object], problems: dict[str, object]) -> object:
    if plan.response is None:
        value: object = parts
    else:
        value = plan.response.find({**parts, PROBLEMS: problems})
    if problems and isinstance(value, dict) and PROBLEMS not in value:
        return {**value, PROBLEMS: problems}
    return value


def _tell(context: RequestContext, failures: Mapping[str, Failure], order: Mapping[str, object]) -> None:
    """Write down for the log what is missing, and why."""
    first = next(iter(order), "")
    context.flag = failures[first].flag
    context.error = "; ".join(
        f"part {name} ({failures[name].service or 'not asked'}): {failures[name].detail}" for name in order or failures
    )
