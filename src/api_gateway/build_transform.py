"""Build transform: changes of headers and bodies, made of their options.

What it does not do: compile expressions or templates; the configuration has, to find their mistakes.
"""

from __future__ import annotations

from api_gateway.build_tools import Tools
from api_gateway.config.transform_schema import RequestTransform, ResponseTransform, TransformOptions
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.transform.body_transform import BodyTransform
from api_gateway.middleware.transform.expression import Expression
from api_gateway.middleware.transform.request_body_transform import RequestBodyTransform
from api_gateway.middleware.transform.response_body_transform import ResponseBodyTransform
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware


def transform(options: object, tools: Tools) -> Middleware:
    """Other headers and bodies than came."""
    assert isinstance(options, TransformOptions)
    request, response = options.request or RequestTransform(), options.response or ResponseTransform()
    asked, answered = _body(request.expression, options, tools), _body(response.expression, options, tools)
    return TransformMiddleware(
        tools.clock,
        request_headers=request.headers.transform if request.headers else None,
        request_body=RequestBodyTransform(asked) if asked else None,
        response_headers=response.headers.transform if response.headers else None,
        response_body=ResponseBodyTransform(
            answered, statuses=response.meant, pass_on_failure=response.on_error == "pass"
        )
        if answered
        else None,
    )


def _body(expression: Expression | None, options: TransformOptions, tools: Tools) -> BodyTransform | None:
    if expression is None:
        return None
    return BodyTransform(expression, tools.clock, max_body=options.max_body, limits=options.limits)
