"""Build security: what may come in, and what pages may do with the answers, made of their options.

What it does not do: say who is calling (`build_auth.py`).
"""

from __future__ import annotations

from api_gateway.build_tools import Tools
from api_gateway.config.cors_schema import CorsOptions
from api_gateway.config.header_filter_schema import HeaderFilterOptions
from api_gateway.config.ip_filter_schema import IpFilterOptions
from api_gateway.config.request_validation_schema import RequestValidationOptions
from api_gateway.config.security_headers_schema import SecurityHeadersOptions
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.cors import CorsMiddleware
from api_gateway.middleware.header_filter import HeaderFilterMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware
from api_gateway.middleware.security_headers import SecurityHeadersMiddleware
from api_gateway.middleware.validation.request_validation import RequestValidationMiddleware


def ip_filter(options: object, tools: Tools) -> Middleware:
    """Which addresses may call."""
    assert isinstance(options, IpFilterOptions)
    layer = IpFilterMiddleware(
        options.allow or (), options.deny, allow_file=options.allow_file, deny_file=options.deny_file
    )
    tools.resources.append(layer)
    return layer


def header_filter(options: object, _: Tools) -> Middleware:
    """Which headers may come along."""
    assert isinstance(options, HeaderFilterOptions)
    deny, require = ([rule.demand for rule in rules] for rules in (options.deny, options.require))
    return HeaderFilterMiddleware(allow=options.allow, deny=deny, require=require)


def cors(options: object, _: Tools) -> Middleware:
    """Which web pages may call."""
    assert isinstance(options, CorsOptions)
    return CorsMiddleware(
        options.origins,
        credentials=options.credentials,
        methods=options.methods,
        allow_headers=options.allow_headers,
        expose_headers=options.expose_headers,
        max_age=int(options.max_age),
    )


def security_headers(options: object, _: Tools) -> Middleware:
    """What browsers must not do with the answers."""
    assert isinstance(options, SecurityHeadersOptions)
    return SecurityHeadersMiddleware(options.headers, options.remove, override=options.override)


def validate_request(options: object, _: Tools) -> Middleware:
    """What a request must be."""
    assert isinstance(options, RequestValidationOptions)
    return RequestValidationMiddleware(
        content_types=options.content_types or (),
        max_body=options.max_body,
        body=options.body_schema,
        limits=options.limits,
        query=options.query_schema,
        required=options.required,
    )
